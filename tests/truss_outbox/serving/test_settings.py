"""What the deployment decides."""

from pathlib import Path

import pytest

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root
from truss_outbox.serving.settings import gcs_options, read_settings, s3_options
from truss_outbox.stores import open_store


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
    assert (str(settings.root), settings.max_pending_results) == ("s3://other", 3)


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


def test_a_secret_that_only_a_chain_names_is_none():
    settings = read_settings(config())
    found = s3_options(
        settings,
        Secrets(aws_access_key_id="id", aws_secret_access_key="key", aws_session_token="***"),
    )
    assert found.session_token is None


def test_half_a_pair_of_keys_is_refused_without_showing_it():
    with pytest.raises(ConfigurationError, match="come together") as caught:
        s3_options(read_settings(config()), Secrets(aws_access_key_id="id-to-hide"))
    assert "id-to-hide" not in str(caught.value)


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
    assert (options.s3_encryption, options.s3_kms_key_id) == ("aws:kms", "key")
    assert options.s3_tags == {"project": "ocr"}
    assert (options.s3_part_bytes, options.store_timeout_seconds) == (8 << 20, 7)


def test_tags_can_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OUTBOX_S3_TAGS", "project=ocr&stage=a%20b")
    assert read_settings(config()).s3_tags == {"project": "ocr", "stage": "a b"}


def test_a_role_is_taken_with_the_token_of_the_deployment_and_goes_before_keys(monkeypatch):
    monkeypatch.setenv("B10_OIDC_TOKEN_PATH", "/somewhere/token")
    settings = read_settings(config(aws_role_arn="arn:aws:iam::1:role/r"))
    options = s3_options(settings, Secrets(aws_access_key_id="id", aws_secret_access_key="key"))
    assert options.access_key_id is None
    assert options.aws_role_arn == "arn:aws:iam::1:role/r"
    assert options.oidc_token_file == Path("/somewhere/token")


def test_a_role_without_a_token_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.delenv("B10_OIDC_TOKEN_PATH", raising=False)
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE", raising=False)
    options = s3_options(read_settings(config(aws_role_arn="arn:aws:iam::1:role/r")), Secrets())
    with pytest.raises(ConfigurationError, match=r"runtime\.oidc\.enabled"):
        open_store("s3://b", s3=options)


def test_a_google_key_is_a_secret_and_gcs_settings_are_passed_on():
    settings = read_settings(config(gcs_kms_key="projects/p/k", gcs_part_bytes=1 << 20))
    assert gcs_options(settings, Secrets()).service_account is None
    found = gcs_options(settings, Secrets(gcp_service_account='{"type": "service_account"}'))
    assert found.service_account == '{"type": "service_account"}'
    assert (found.gcs_kms_key, found.gcs_part_bytes) == ("projects/p/k", 1 << 20)


def test_a_google_provider_goes_before_the_key_and_needs_the_platforms_token(monkeypatch, tmp_path):
    settings = read_settings(config(gcp_workload_identity_provider="projects/1/providers/p"))
    monkeypatch.delenv("B10_OIDC_TOKEN_PATH", raising=False)
    with pytest.raises(ConfigurationError, match=r"runtime\.oidc\.enabled"):
        open_store("gs://b", gcs=gcs_options(settings, Secrets()))
    monkeypatch.setenv("B10_OIDC_TOKEN_PATH", str(tmp_path / "token"))
    found = gcs_options(settings, Secrets(gcp_service_account="{}"))
    assert found.service_account is None
    assert found.oidc_token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"gcs_part_bytes": 1000}, "gcs_part_bytes"),
        ({"store_read_timeout_seconds": 0}, "store_read_timeout_seconds"),
        ({"s3_part_bytes": 1 << 20}, "s3_part_bytes"),
        ({"s3_expected_bucket_owner": "me"}, "s3_expected_bucket_owner"),
    ],
)
def test_a_setting_that_the_store_would_refuse_is_refused_at_once(wrong, setting):
    with pytest.raises(ConfigurationError, match=setting):
        read_settings(config(**wrong))


def test_input_roots_are_parsed_when_the_model_loads(monkeypatch):
    roots = read_settings(config(input_roots=["s3://b/archive/", "gs://c"])).input_roots
    assert roots == (Root.parse("s3://b/archive"), Root.parse("gs://c"))
    monkeypatch.setenv("OUTBOX_INPUT_ROOTS", "s3://b/one, s3://b/two")
    assert list(map(str, read_settings(config()).input_roots)) == ["s3://b/one", "s3://b/two"]


@pytest.mark.parametrize("wrong", ["b/archive", "s3://b/a/../c", "https://b/c"])
def test_a_wrong_input_root_is_named(wrong):
    with pytest.raises(ConfigurationError) as caught:
        read_settings(config(input_roots=["s3://b/fine", wrong]))
    assert caught.value.setting == "input_roots"


def test_an_unknown_setting_is_named_with_the_one_that_is_near():
    with pytest.raises(ConfigurationError, match="do you mean max_pending_results") as caught:
        read_settings(config(max_pending_result=3))
    assert caught.value.setting == "model_metadata.outbox.max_pending_result"
    with pytest.raises(ConfigurationError, match=r"zzz: there is no such setting$"):
        read_settings(config(zzz=3))


OLD_NAMES = [
    (f"{store}_{name}", f"store_{name}")
    for store in ("gcs", "s3")
    for name in ("connect_timeout_seconds", "read_timeout_seconds", "max_connections")
]


@pytest.mark.parametrize(("old", "new"), OLD_NAMES)
def test_an_old_name_is_refused_with_the_new_one(old, new):
    with pytest.raises(ConfigurationError, match=f"is called {new} now") as caught:
        read_settings(config(**{old: 1}))
    assert caught.value.setting == f"model_metadata.outbox.{old}"
    variable = f"OUTBOX_{old.upper()}"
    with pytest.raises(ConfigurationError, match=f"is called OUTBOX_{new.upper()} now") as caught:
        read_settings(config(), {variable: "1"})
    assert caught.value.setting == variable


def test_a_variable_of_another_program_is_not_read():
    assert read_settings(config(), {"OUTBOX_HOME": "/x"}) == read_settings(config(), {})


def test_the_inferences_settings_are_json_in_the_environment():
    settings = read_settings(config(), {"OUTBOX_INFERENCE": '{"threads": 3}'})
    assert settings.inference == {"threads": 3}
    with pytest.raises(ConfigurationError, match="inference"):
        read_settings(config(), {"OUTBOX_INFERENCE": "{"})
