"""The environment that a deployment serves, as it is when it is asked for."""

import json
import sys
from types import SimpleNamespace

import pytest

from tests.asking_outbox import answer, metadata
from truss_outbox import Outbox
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.serving.environment import current_environment


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """What Baseten mounts, found where Truss's own server says."""
    resolver = SimpleNamespace(DYNAMIC_CONFIG_MOUNT_DIR=str(tmp_path))
    monkeypatch.setitem(sys.modules, "_truss_shared.dynamic_config_resolver", resolver)

    def promote(name):
        (tmp_path / "environment").write_text(json.dumps({"name": name}) if name else "")

    return promote


def test_promotion_shows_in_the_next_request_without_a_restart(make_outbox, mounted):
    outbox = make_outbox(template="{environment}/{item}")
    outbox.environment = current_environment
    for name in ("staging", "production"):
        mounted(name)
        manifest = answer(outbox, metadata(text="a"))
        assert (manifest.key, manifest.model.environment) == (f"{name}/I", name)


def test_where_nothing_is_mounted_it_is_what_truss_gave(mounted):
    assert current_environment({"name": "given"}) == "given"
    assert current_environment() is None
    mounted("")
    assert current_environment({"name": "given"}) == "given"
    mounted("mounted")
    assert current_environment({"name": "given"}) == "mounted"


def test_a_template_that_needs_one_is_refused_at_load_where_there_is_none(mounted):
    section = {"root": "memory://any", "key_template": "{environment}/{item}"}
    config = {"model_metadata": {"outbox": section}}
    with pytest.raises(ConfigurationError, match=r"key_template: uses \{environment\}"):
        Outbox.open(config, {})
    assert Outbox.open(config, {}, environment={"name": "e"}).environment() == "e"
    mounted("production")
    assert Outbox.open(config, {}).environment() == "production"
