"""From a root's URL to a store."""

import subprocess
import sys

import pytest

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.stores import open_store


def test_a_directory_with_spaces_is_written_as_a_url(tmp_path):
    store = open_store(f"file://{tmp_path}/my%20results/")
    store.create("a", b"x", content_type="text/plain")
    assert (tmp_path / "my results" / "a").read_bytes() == b"x"


def test_a_slash_at_the_end_of_a_root_does_not_count(seaweedfs_options):
    assert open_store("s3://outbox/prefix/", s3=seaweedfs_options).root == "s3://outbox/prefix"
    assert open_store("s3://outbox/", s3=seaweedfs_options).root == "s3://outbox"


def test_a_wrong_root_is_refused_with_the_remedy():
    with pytest.raises(ConfigurationError, match="segment") as caught:
        open_store("gs://bucket/a//b")
    assert caught.value.setting == "root"


@pytest.mark.parametrize(
    ("root", "other_sdk"),
    [
        ("s3://bucket", "google.cloud.storage"),
        ("gs://bucket", "botocore"),
        ("file:///x", "botocore"),
    ],
)
def test_the_sdk_that_is_not_in_use_is_never_imported(root, other_sdk):
    program = f"""
import sys
from truss_outbox.stores import GcsOptions, S3Options, open_store
url = "http://127.0.0.1:9"
open_store({root!r}, s3=S3Options(endpoint_url=url), gcs=GcsOptions(endpoint_url=url))
sys.exit({other_sdk!r} in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("root", "sdk", "package"),
    [
        ("s3://bucket", "botocore", "boto3"),
        ("gs://bucket", "google.cloud.storage", "google-cloud-storage"),
    ],
)
def test_a_missing_sdk_says_what_to_install(monkeypatch, root, sdk, package):
    for name in [
        n
        for n in sys.modules
        if n.startswith(("truss_outbox.stores.s3.", "truss_outbox.stores.gcs."))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, sdk, None)
    with pytest.raises(ConfigurationError, match=f"pip install {package}"):
        open_store(root)
