import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from local_baseten.errors import TrussError
from local_baseten.running import running_locally
from local_baseten.trusses import launcher
from local_baseten.trusses.layout import lay_out_truss
from tests.local_baseten.conftest import TRUSSES


@pytest.fixture
def truss(tmp_path: Path) -> Path:
    """With data, a bundled package, settings of the environment, and what is no part of it."""
    truss = shutil.copytree(TRUSSES / "obedient", tmp_path / "truss")
    for name in ("data/weights.bin", "packages/bundled.py", ".git/config", "tests/test_it.py"):
        (truss / name).parent.mkdir(exist_ok=True)
        (truss / name).write_text("here")
    (truss / ".truss_ignore").write_text(".git/\ntests/\n")
    return truss


def test_a_truss_is_laid_out_as_in_its_image(truss: Path, tmp_path: Path):
    layout = lay_out_truss(truss, tmp_path / "app")

    assert layout.environment == {"FROM_CONFIG": "set in config.yaml"}
    found = {str(path.relative_to(layout.directory)) for path in layout.directory.rglob("*")}
    assert {"main.py", "model/model.py", "data/weights.bin", "packages/bundled.py"} <= found
    assert not {".git", "tests", "server"} & found
    settings = yaml.safe_load((layout.directory / "config.yaml").read_text())
    assert settings["model_name"] == "obedient"


def bundle(truss: Path, *, external: Path, **settings: str) -> str:
    """Adds a module to the bundled packages and one to a directory outside; where the first is."""
    config = yaml.safe_load((truss / "config.yaml").read_text()) | settings
    directory = config.get("bundled_packages_dir", "packages")
    for path in (truss / directory / "bundled.py", external / "shared" / "__init__.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"NAME = {path.parent.name!r}\n")
    config["external_package_dirs"] = [os.path.relpath(external, truss)]
    (truss / "config.yaml").write_text(yaml.safe_dump(config))
    return directory


@pytest.mark.parametrize("settings", [{}, {"bundled_packages_dir": "model/packages"}])
def test_packages_are_one_folder_wherever_they_come_from(tmp_path: Path, settings):
    truss = shutil.copytree(TRUSSES / "obedient", tmp_path / "truss")
    directory = bundle(truss, external=tmp_path / "outside", **settings)

    app = lay_out_truss(truss, tmp_path / "app").directory

    assert (app / "packages" / "bundled.py").is_file()
    assert (app / "packages" / "shared" / "__init__.py").is_file()
    # Truss copies the model's folder as a whole, so that they are there once more.
    assert (app / directory / "bundled.py").is_file()


def test_the_model_finds_its_packages_last_and_nothing_of_this_checkout(tmp_path: Path):
    truss = shutil.copytree(TRUSSES / "obedient", tmp_path / "truss")
    bundle(truss, external=tmp_path / "outside", bundled_packages_dir="model/packages")
    (truss / "model" / "model.py").write_text(LOOKING_AROUND)
    with running_locally(truss, state_directory=tmp_path / "state") as local:
        answer = httpx.post(
            f"{local.base_url}/production/predict",
            headers={"authorization": f"Api-Key {local.api_key}"},
            json={},
            timeout=60,
        ).json()

    assert answer["bundled"] == ["packages", "shared"]
    assert answer["found"] == []
    app = tmp_path / "state" / "truss"
    assert [answer["path"][0], answer["path"][-1]] == [str(app), str(app / "packages")]


@pytest.mark.parametrize("is_bundled", [True, False])
def test_the_bundled_library_goes_before_an_installed_one(tmp_path: Path, is_bundled):
    installed, app = tmp_path / "installed", tmp_path / "app"
    for place in (installed, app / "packages") if is_bundled else (installed,):
        (place / "truss_outbox").mkdir(parents=True)
        (place / "truss_outbox" / "__init__.py").touch()
    app.mkdir(exist_ok=True)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import launcher;"
        "sys.path.insert(0, sys.argv[2]); sys.meta_path.insert(0, launcher.BundledLibrary);"
        "import truss_outbox; print(truss_outbox.__file__)"
    )

    folder = str(Path(launcher.__file__).parent)
    arguments = [sys.executable, "-IS", "-c", program, folder, str(installed)]
    found = subprocess.run(arguments, cwd=app, capture_output=True, text=True, check=True).stdout

    place = app / "packages" if is_bundled else installed
    assert found.strip() == str(place / "truss_outbox" / "__init__.py")


LOOKING_AROUND = """
import importlib.util
import sys

import bundled
import shared

OTHERS = ("local_baseten", "outbox_client", "baseten_webhooks", "truss_outbox", "scripts", "tests")


class Model:
    def predict(self, model_input):
        found = [name for name in OTHERS if importlib.util.find_spec(name)]
        return {"path": sys.path, "found": found, "bundled": [bundled.NAME, shared.NAME]}
"""


def test_it_may_lie_in_the_truss_itself_and_replaces_the_earlier_one(truss: Path):
    for text in ("first", "second"):
        (truss / "data" / "weights.bin").write_text(text)
        layout = lay_out_truss(truss, truss / ".state" / "app")

    assert (layout.directory / "data" / "weights.bin").read_text() == "second"


@pytest.mark.parametrize("config", [None, "model_name: [", "resources: 5"])
def test_what_is_no_truss_is_refused(tmp_path: Path, config: str | None):
    truss = tmp_path / "no-truss"
    truss.mkdir()
    if config is not None:
        (truss / "config.yaml").write_text(config)

    with pytest.raises(TrussError, match="no-truss is not a Truss"):
        lay_out_truss(truss, tmp_path / "app")
