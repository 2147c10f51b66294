"""Where settings come from, and which goes first."""

from pathlib import Path

import pytest

from outbox_client import opening
from outbox_client.settings import ResultOverrides, ServiceOverrides, read_settings
from truss_outbox.contract.errors import ConfigurationError

CONFIG = """
model_name: reader
model_metadata:
  outbox:
    root: s3://from-config/x
    endpoint_url: http://config
    key_template: "{job}/{item}"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def test_options_go_before_the_environment_and_that_before_the_config(config):
    environ = {"OUTBOX_ROOT": "s3://from-environ", "OUTBOX_ENDPOINT_URL": "http://environ"}
    settings = read_settings(
        ResultOverrides(config=config, root="s3://from-option"), environ=environ
    )
    assert settings.root == "s3://from-option"
    assert settings.endpoint_url == "http://environ"
    assert settings.template.text == "{job}/{item}"
    assert settings.model_name == "reader"
    assert settings.environment == "production"


def test_how_the_bucket_is_reached_is_read_as_the_model_reads_it(tmp_path):
    section = "{endpoint_url: https://x, region: r, s3_addressing_style: path, s3_ca_bundle: /ca}"
    (tmp_path / "config.yaml").write_text(f"model_metadata: {{outbox: {section}}}")
    environ = {"OUTBOX_S3_ADDRESSING_STYLE": "virtual", "OUTBOX_S3_CA_BUNDLE": "/other"}

    def read(environ):
        return read_settings(
            ResultOverrides(config=tmp_path / "config.yaml"), environ=environ
        ).connection

    assert read({}) == {
        "endpoint_url": "https://x",
        "endpoint_setting": "endpoint_url in config.yaml",
        "region": "r",
        "s3_addressing_style": "path",
        "s3_ca_bundle": Path("/ca"),
    }
    assert read(environ)["s3_addressing_style"] == "virtual"
    assert read(environ)["s3_ca_bundle"] == Path("/other")


def test_a_config_here_is_found_by_itself(config, monkeypatch):
    monkeypatch.chdir(config.parent)
    assert read_settings(environ={}).root == "s3://from-config/x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "config: .*config.yaml cannot be read as YAML"),
        ("- a", "config: .*config.yaml is no mapping"),
        ("model_metadata: 3", "model_metadata: must be a mapping"),
        ("model_metadata: {outbox: x}", "model_metadata.outbox: must be a mapping"),
        ("model_metadata: {outbox: {root: s3://b/a/../c}}", "root: has an empty, . or .. segment"),
        ("model_metadata: {outbox: {s3_addressing_style: host}}", "s3_addressing_style: is auto"),
        ("model_metadata: {outbox: {input_roots: [b/a]}}", "input_roots: is no address"),
    ],
)
def test_an_odd_config_is_an_error_that_names_what_is_wrong(tmp_path, text, said):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_settings(ResultOverrides(config=tmp_path / "config.yaml"), environ={})


def test_a_bucket_is_missed_where_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = read_settings(environ={})
    with pytest.raises(ConfigurationError, match="root: no bucket"):
        settings.require_root()


def test_a_root_written_in_two_ways_is_one(config):
    roots = [
        read_settings(ResultOverrides(config=config, root=root), environ={}).require_root()
        for root in ("s3://b/p/", "S3://b/p")
    ]
    assert roots == ["s3://b/p", "s3://b/p"]


def test_input_roots_of_the_environment_are_parted_by_spaces_or_commas(config):
    environ = {"OUTBOX_INPUT_ROOTS": "s3://a/x/, gs://b"}
    settings = read_settings(ResultOverrides(config=config), environ=environ)
    assert settings.input_roots == ("s3://a/x", "gs://b")


def test_the_field_of_the_metadata_is_the_models(config):
    overrides = ResultOverrides(config=config)
    assert read_settings(overrides, environ={}).metadata_field == "metadata"
    environ = {"OUTBOX_METADATA_FIELD": "outbox"}
    assert read_settings(overrides, environ=environ).metadata_field == "outbox"
    config.write_text(CONFIG + "    metadata_field: own\n")
    assert opening.naming(read_settings(overrides, environ={})).metadata_field == "own"


def test_the_key_is_not_in_the_settings_repr(config):
    settings = read_settings(ResultOverrides(config=config), environ={"BASETEN_API_KEY": "hush"})
    assert settings.api_key == "hush"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
def test_a_key_with_odd_characters_is_refused_without_being_shown(config, key):
    with pytest.raises(ConfigurationError) as caught:
        read_settings(ResultOverrides(config=config), environ={"BASETEN_API_KEY": key})
    assert key not in str(caught.value)


@pytest.mark.parametrize("model_id", ["x.example.com/", "a/b", "@host", "a b"])
def test_a_model_id_cannot_send_the_key_elsewhere(config, model_id):
    with pytest.raises(ConfigurationError, match="model_id"):
        read_settings(ServiceOverrides(model_id=model_id), environ={})


def test_a_chain_id_cannot_send_the_key_elsewhere_either(config):
    with pytest.raises(ConfigurationError, match="chain_id"):
        read_settings(ServiceOverrides(chain_id="x.example.com/"), environ={})


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        ({"model_id": "m", "chain_id": "c"}, {}),
        ({}, {"OUTBOX_MODEL_ID": "m", "OUTBOX_CHAIN_ID": "c"}),
    ],
)
def test_a_model_and_a_chain_at_once_are_refused(config, options, environ):
    with pytest.raises(ConfigurationError, match=r"name one: --model-id .* or --chain-id"):
        read_settings(ServiceOverrides(**options), environ=environ)


def test_an_option_for_a_chain_goes_before_the_environments_model(config):
    settings = read_settings(ServiceOverrides(chain_id="c"), environ={"OUTBOX_MODEL_ID": "m"})
    assert (settings.model_id, settings.chain_id) == (None, "c")
