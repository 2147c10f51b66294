"""`outbox new`: a Truss that `truss` takes, and that its model's own test would pass."""

import json

import pytest
import yaml
from truss.base.truss_config import TrussConfig
from typer.testing import CliRunner

from outbox_client.commands.app import app


def outbox(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exit_code == code, result.output
    return result


def test_a_new_truss_needs_nothing_more(tmp_path):
    said = outbox("new", tmp_path / "words", "--root", "gs://results/words").stdout

    config = TrussConfig.from_yaml(tmp_path / "words" / "config.yaml")
    assert config.model_name == "words"
    assert config.model_metadata == {"outbox": {"root": "gs://results/words"}}
    assert list(config.secrets) == ["gcp_service_account"]
    assert "model/model.py: needs no further line" in said
    again = outbox("add", tmp_path / "words", "--check").stdout
    assert "there already" in again


def test_it_is_made_in_an_empty_folder_with_an_example_as_its_root(tmp_path):
    (tmp_path / "123").mkdir()

    answer = json.loads(outbox("new", tmp_path / "123", "--json").stdout)

    config = yaml.safe_load((tmp_path / "123" / "config.yaml").read_text())
    assert config["model_name"] == "123"
    assert config["model_metadata"]["outbox"]["root"] == "s3://your-bucket/outbox"
    assert answer["written"]


@pytest.mark.parametrize("there", ["folder", "file"])
def test_what_is_there_is_not_touched(tmp_path, there):
    target = tmp_path / "there"
    if there == "folder":
        target.mkdir()
        (target / ".hidden").write_text("mine")
    else:
        target.write_text("mine")

    assert "not empty" in outbox("new", target, code=2).stderr

    assert (target / ".hidden" if there == "folder" else target).read_text() == "mine"
    assert len(list(tmp_path.rglob("*"))) == (2 if there == "folder" else 1)


def test_a_wrong_root_makes_nothing(tmp_path):
    outbox("new", tmp_path / "words", "--root", "results", code=3)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert "another folder" in outbox("new", tmp_path / "file" / "words", code=3).stderr
    assert "name of a folder" in outbox("new", "/", code=3).stderr
