"""What of config.yaml is not honoured is told, and secrets come from a file."""

from pathlib import Path

import pytest
import yaml

from local_baseten.errors import SecretsError, TrussError
from local_baseten.trusses.config import (
    about_secrets,
    environment_of,
    not_honoured,
    read_secrets,
)
from local_baseten.trusses.environment import about_python
from local_baseten.trusses.layout import TrussLayout, lay_out_truss
from tests.interpreters import OWN


@pytest.fixture
def laid_out(tmp_path: Path):
    def laid_out(**config: object) -> TrussLayout:
        truss = tmp_path / "truss"
        (truss / "model").mkdir(parents=True)
        (truss / "model" / "model.py").touch()
        (truss / "config.yaml").write_text(yaml.safe_dump(config))
        return lay_out_truss(truss, tmp_path / "app")

    return laid_out


def test_what_is_not_honoured_is_told_of_what_its_author_has_set(laid_out):
    layout = laid_out(
        python_version="py311",
        resources={"accelerator": "H100"},
        system_packages=["ffmpeg"],
        runtime={"predict_concurrency": 4, "oidc": {"enabled": True}},
        environment_variables={"A": "1"},
    )
    told = [line.partition(":")[0] for line in not_honoured(layout)]
    assert told == ["resources", "system_packages", "runtime.oidc"]


def test_a_plain_config_has_nothing_to_tell(laid_out):
    layout = laid_out(model_name="plain", external_data=[], runtime={"predict_concurrency": 2})
    assert not_honoured(layout) == []


def test_a_server_that_is_in_an_image_alone_is_refused(laid_out):
    with pytest.raises(TrussError, match="docker_server of its config"):
        laid_out(
            base_image={"image": "their/server"},
            docker_server={
                "start_command": "serve",
                "server_port": 8000,
                "predict_endpoint": "/predict",
                "readiness_endpoint": "/",
                "liveness_endpoint": "/",
            },
        )


@pytest.mark.parametrize(
    ("version", "install", "said"),
    [
        (OWN, True, None),
        (OWN, False, None),
        ("3.10", False, "nothing is to be installed"),
    ],
)
def test_another_python_than_the_authors_is_told(laid_out, version, install, said):
    layout = laid_out(python_version=f"py{version.replace('.', '')}")
    told = about_python(layout, install=install)
    assert told is said is None or said in told


def test_secrets_without_a_value_and_those_that_are_not_declared_are_told(laid_out):
    layout = laid_out(secrets={"here": None, "missing": None, "of_config": "x"})
    secrets = {"here": "hush", "surplus": "hush"}
    empty, unknown = about_secrets(layout, environment_of(secrets), secrets)
    assert "no value here for missing;" in empty
    assert unknown.endswith(": surplus")
    assert "hush" not in empty + unknown


def test_secrets_are_read_from_yaml(tmp_path):
    path = tmp_path / "secrets.yaml"
    path.write_text("token: hush\nkey: '5'\n")
    assert environment_of(read_secrets(path)) == {
        "TRUSS_SECRET_token": "hush",
        "TRUSS_SECRET_key": "5",
    }


@pytest.mark.parametrize("content", [None, b"\xff", b"key: [hush", b"hush", b"key: 5", b"5: hush"])
def test_a_file_of_secrets_that_cannot_be_read_is_named_and_not_quoted(tmp_path, content):
    path = tmp_path / "secrets.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecretsError, match=r"secrets in .*secrets\.yaml cannot be read") as caught:
        read_secrets(path)
    assert "hush" not in str(caught.value)
