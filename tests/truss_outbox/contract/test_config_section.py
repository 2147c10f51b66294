"""Where settings come from, for every side."""

import pytest

from truss_outbox.contract.config_section import outbox_section, outbox_setting_values
from truss_outbox.contract.errors import ConfigurationError


def config(**section):
    return {"model_metadata": {"outbox": section}}


def test_the_environment_goes_before_the_section():
    environ = {"OUTBOX_ROOT": "s3://environment"}
    found = outbox_setting_values(
        config(root="s3://section", region="r"), environ, ["root", "region"]
    )
    assert found == {"root": "s3://environment", "region": "r"}


def test_what_is_empty_is_not_set():
    section = {"root": "", "region": None, "allow_unsafe_commit": False, "input_roots": []}
    environ = {"OUTBOX_REGION": "", "OUTBOX_VERSION": ""}
    assert outbox_setting_values(config(**section), environ, [*section, "version"]) == {
        "allow_unsafe_commit": False,
        "input_roots": [],
    }


def test_only_the_names_asked_for_are_read():
    assert outbox_setting_values(config(a=1, b=2), {"OUTBOX_C": "3"}, ["b"]) == {"b": 2}


@pytest.mark.parametrize("nothing", [{}, {"model_metadata": None}, config()])
def test_a_config_without_the_section_sets_nothing(nothing):
    assert outbox_section(nothing) == {}


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"model_metadata": 3}, "model_metadata"),
        ({"model_metadata": {"outbox": "x"}}, "model_metadata.outbox"),
        ({"model_metadata": {"outbox": ["root"]}}, "model_metadata.outbox"),
    ],
)
def test_a_section_that_is_no_mapping_is_named(wrong, setting):
    with pytest.raises(ConfigurationError) as caught:
        outbox_setting_values(wrong, {}, ["root"])
    assert caught.value.setting == setting
