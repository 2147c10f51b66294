"""Where the page finds the model's bucket."""

import pytest
import yaml

from local_baseten.page.results import companion_variables, open_model_bucket
from truss_outbox.contract.errors import ConfigurationError


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"model_metadata": {"outbox": {"root": "memory://configured"}}}))
    return path


def test_the_bucket_is_the_configured_one(config):
    assert open_model_bucket(config, {}).root == "memory://configured"


def test_the_models_environment_goes_before_the_config(config):
    assert open_model_bucket(config, {"OUTBOX_ROOT": "memory://other"}).root == "memory://other"


def test_a_model_without_a_bucket_is_told_so(tmp_path):
    (tmp_path / "config.yaml").write_text("model_name: m\n")

    with pytest.raises(ConfigurationError):
        open_model_bucket(tmp_path / "config.yaml", {})


def test_a_companion_is_told_the_bucket_and_where_in_it_a_result_is(tmp_path):
    settings = {"root": "file:///results", "key_template": "{item}", "region": ""}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"model_metadata": {"outbox": settings}}))

    assert companion_variables(path, {"OUTBOX_REGION": "eu-west-1"}) == {
        "OUTBOX_ROOT": "file:///results",
        "OUTBOX_KEY_TEMPLATE": "{item}",
        "OUTBOX_REGION": "eu-west-1",
    }


@pytest.mark.parametrize("text", ["model_name: m\n", "model_metadata: {outbox: 5}\n"])
def test_where_no_bucket_is_named_none_is_told(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)

    assert companion_variables(tmp_path / "config.yaml", {}) == {}
