"""From settings to what the library's functions take."""

import pytest

from outbox_client.opening import endpoint
from outbox_client.settings import read_settings

PROFILE = """[default]
region = eu-west-1
[profile local]
endpoint_url = http://127.0.0.1:9000
"""


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, ""),
        ({"OUTBOX_ENDPOINT_URL": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9001/"}, "http://127.0.0.1:9001"),
        ({"AWS_PROFILE": "local"}, "http://127.0.0.1:9000"),
        (
            {
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            },
            "",
        ),
        ({"AWS_ENDPOINT_URL": "https://s3.eu-west-1.amazonaws.com"}, ""),
        ({"AWS_DEFAULT_REGION": "cn-north-1", "OUTBOX_REGION": "cn-north-1"}, "cn"),
    ],
)
def test_a_journals_endpoint_is_the_one_that_the_bucket_is_asked_at(
    environ, found, monkeypatch, tmp_path
):
    (tmp_path / "config").write_text(PROFILE)
    monkeypatch.chdir(tmp_path)
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    for name, value in (keys | files | environ).items():
        monkeypatch.setenv(name, value)
    assert endpoint(read_settings(environ={"OUTBOX_ROOT": "s3://b/p", **environ})) == found
