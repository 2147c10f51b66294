"""What the deployment decides."""

from pathlib import Path

import pytest

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.serving.settings.gcs import gcs_options
from truss_outbox.serving.settings.s3 import s3_options
from truss_outbox.serving.settings.settings import model_info, read_settings
from truss_outbox.stores import WebIdentity


class SecretNotFound(Exception):  # noqa: N818
    """Truss's own class has this name and lives in its server only."""


class Secrets(dict):
    def __missing__(self, name):
        raise SecretNotFound(name)


def config(**outbox):
    return {"model_name": "M", "model_metadata": {"outbox": {"root": "s3://b", **outbox}}}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("OUTBOX_ROOT", "OUTBOX_ENDPOINT_URL", "OUTBOX_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_goes_before_the_configuration(monkeypatch):
    monkeypatch.setenv("OUTBOX_ROOT", "s3://other")
    monkeypatch.setenv("OUTBOX_MAX_PENDING_RESULTS", "3")
    settings = read_settings(config())
    assert (settings.root, settings.max_pending_results) == ("s3://other", 3)


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"root": 5}, "root"),
        ({"rot": "s3://x"}, "rot"),
        ({"max_document_bytes": 0}, "max_document_bytes"),
        ({"store_timeout_seconds": "soon"}, "store_timeout_seconds"),
        ({"key_template": "{when}"}, "key_template"),
        ({"url_hosts": ["https://a.example"]}, "url_hosts"),
        ({"url_hosts": 5}, "url_hosts"),
    ],
)
def test_a_wrong_setting_is_named(wrong, setting):
    with pytest.raises(ConfigurationError, match=setting):
        read_settings(config(**wrong))


def test_hosts_of_addresses_are_named_or_there_are_none(monkeypatch):
    assert read_settings(config()).url_hosts == ()
    assert read_settings(config(url_hosts=["*.a.example"])).url_hosts == ("*.a.example",)
    monkeypatch.setenv("OUTBOX_URL_HOSTS", "a.example,b.example")
    assert read_settings(config()).url_hosts == ("a.example", "b.example")


def test_a_missing_root_is_named():
    with pytest.raises(ConfigurationError, match=r"model_metadata\.outbox\.root"):
        read_settings({"model_name": "M"})


def test_secrets_are_looked_up_by_name_and_may_be_absent():
    settings = read_settings(config())
    assert s3_options(settings, Secrets()).access_key_id is None
    found = s3_options(settings, Secrets(aws_access_key_id="id\n", aws_secret_access_key="key"))
    assert (found.access_key_id, found.secret_access_key) == ("id", "key")


def test_half_a_pair_of_keys_is_refused_without_showing_it():
    with pytest.raises(ConfigurationError, match="come together") as caught:
        s3_options(read_settings(config()), Secrets(aws_access_key_id="id-to-hide"))
    assert "id-to-hide" not in str(caught.value)


def test_the_model_is_named_with_its_version_and_environment():
    settings = read_settings(config(version="7"))
    info = model_info(settings, config(), {"name": "staging"})
    assert (info.name, info.version, info.environment) == ("M", "7", "staging")
    assert model_info(settings, config(), None).environment is None


def test_s3_settings_become_options():
    settings = read_settings(
        config(
            s3_encryption="aws:kms",
            s3_kms_key_id="key",
            s3_tags={"project": "ocr"},
            s3_part_bytes=8 << 20,
            store_timeout_seconds=7,
        )
    )
    options = s3_options(settings, Secrets())
    assert (options.encryption, options.kms_key_id) == ("aws:kms", "key")
    assert options.tags == {"project": "ocr"}
    assert (options.part_bytes, options.part_patience_seconds) == (8 << 20, 7)


def test_tags_can_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OUTBOX_S3_TAGS", "project=ocr&stage=a%20b")
    assert read_settings(config()).s3_tags == {"project": "ocr", "stage": "a b"}


def test_a_role_is_taken_with_the_token_of_the_deployment_and_goes_before_keys(monkeypatch):
    monkeypatch.setenv("B10_OIDC_TOKEN_PATH", "/somewhere/token")
    settings = read_settings(config(aws_role_arn="arn:aws:iam::1:role/r"))
    options = s3_options(settings, Secrets(aws_access_key_id="id", aws_secret_access_key="key"))
    assert options.access_key_id is None
    assert options.web_identity == WebIdentity(
        role_arn="arn:aws:iam::1:role/r", token_file=Path("/somewhere/token")
    )


def test_a_role_without_a_token_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.delenv("B10_OIDC_TOKEN_PATH", raising=False)
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE", raising=False)
    with pytest.raises(ConfigurationError, match=r"runtime\.oidc\.enabled"):
        s3_options(read_settings(config(aws_role_arn="arn:aws:iam::1:role/r")), Secrets())


def test_a_google_key_is_a_secret_and_gcs_settings_are_passed_on():
    settings = read_settings(config(gcs_kms_key="projects/p/k", gcs_part_bytes=1 << 20))
    assert gcs_options(settings, Secrets()).service_account is None
    found = gcs_options(settings, Secrets(gcp_service_account='{"type": "service_account"}'))
    assert found.service_account == '{"type": "service_account"}'
    assert (found.kms_key, found.part_bytes) == ("projects/p/k", 1 << 20)


def test_a_google_provider_goes_before_the_key_and_needs_the_platforms_token(monkeypatch, tmp_path):
    settings = read_settings(config(gcp_workload_identity_provider="projects/1/providers/p"))
    monkeypatch.delenv("B10_OIDC_TOKEN_PATH", raising=False)
    with pytest.raises(ConfigurationError, match=r"runtime\.oidc\.enabled"):
        gcs_options(settings, Secrets())
    monkeypatch.setenv("B10_OIDC_TOKEN_PATH", str(tmp_path / "token"))
    found = gcs_options(settings, Secrets(gcp_service_account="{}"))
    assert found.service_account is None
    assert found.workload_identity.token_file == tmp_path / "token"


@pytest.mark.parametrize("wrong", [{"gcs_part_bytes": 1000}, {"gcs_read_timeout_seconds": 0}])
def test_a_gcs_setting_that_the_sdk_would_refuse_is_refused_at_once(wrong):
    with pytest.raises(ConfigurationError, match="gcs_"):
        read_settings(config(**wrong))
