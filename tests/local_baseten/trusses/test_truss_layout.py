import shutil
from pathlib import Path

import pytest
import yaml

from local_baseten.errors import TrussError
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
