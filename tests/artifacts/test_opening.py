"""From a root's URL to a store."""

import pytest

from model.artifacts import open_store
from model.artifacts.errors import ConfigurationError


def test_a_directory_with_spaces_is_written_as_a_url(tmp_path):
    store = open_store(f"file://{tmp_path}/my%20results/")
    store.create("a", b"x", content_type="text/plain")
    assert (tmp_path / "my results" / "a").read_bytes() == b"x"


def test_a_slash_at_the_end_of_a_root_does_not_count(seaweedfs_options):
    assert open_store("s3://outbox/prefix/", s3=seaweedfs_options).root == "s3://outbox/prefix"
    assert open_store("s3://outbox/", s3=seaweedfs_options).root == "s3://outbox"


@pytest.mark.parametrize(
    ("root", "problem"),
    [
        ("", "must be s3://"),
        ("bucket/prefix", "must be s3://"),
        ("ftp://bucket", "must be s3://"),
        ("s3://", "no bucket"),
        ("s3:///prefix", "no bucket"),
        ("s3://bucket/../x", "segment"),
        ("s3://bucket/a//b", "segment"),
        ("s3://bucket/" + "x" * 101, "longer than 100"),
        ("s3://bucket/a?b=c", "no \\?"),
        ("file://host/path", "file:///"),
        ("file://", "file:///"),
    ],
)
def test_a_wrong_root_is_refused_with_the_remedy(root, problem):
    with pytest.raises(ConfigurationError, match=problem) as caught:
        open_store(root)
    assert caught.value.setting == "root"
