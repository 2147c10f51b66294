"""Lay a Truss out as its image would be, without building the image."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..errors import TrussError

_COPIED = {"bundled_packages_dir": "packages", "model_module_dir": "model", "data_dir": "data"}
"""Each setting's folder, and its name here. In the image the first is `/packages`, which Truss puts
on the import path; a folder of that name cannot be had here, so the launcher does it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrussLayout:
    """A folder like the image's `/app`, and the environment the image would set."""

    directory: Path
    environment: dict[str, str]
    model_name: str

    @property
    def name(self) -> str:
        return self.directory.name


def lay_out_truss(truss_directory: Path, target: Path) -> TrussLayout:
    """Replace `target` by what the image of `truss_directory` would hold in `/app`.

    Truss builds the context of the image; its Dockerfile copies `server/` to `/app`, and the
    settings' folders as in `_COPIED`. Raises TrussError.
    """
    # It takes a second to import, and only this needs it.
    from truss.contexts.image_builder import serving_image_builder as truss  # noqa: PLC0415

    # A hash for the Dockerfile, which is not used here, of all files below the Truss, ignored ones
    # too: in a checkout with its virtual environment those are gigabytes.
    truss.directory_content_hash = lambda *_: ""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not beside the target, which may lie in the Truss: the copy would copy itself.
    with tempfile.TemporaryDirectory(prefix="truss-context-") as scratch:
        context = Path(scratch)
        try:
            truss.ServingImageBuilderContext.run(truss_directory).prepare_image_build_dir(context)
        except (ValueError, FileNotFoundError, yaml.YAMLError) as error:
            raise TrussError(truss_directory, str(error)) from error
        shutil.move(context / "server", target)
        settings = yaml.safe_load((context / "config.yaml").read_text())
        for setting, name in _COPIED.items():
            _copy(context / settings[setting], target / name)
        # `truss push` gathers them before it uploads the Truss; a conflict is its author's.
        for directory in settings["external_package_dirs"]:
            _copy(truss_directory / directory, target / "packages")
        shutil.move(context / "config.yaml", target / "config.yaml")
    environment = {name: str(value) for name, value in settings["environment_variables"].items()}
    model_name = str(settings.get("model_name") or "model")
    return TrussLayout(directory=target, environment=environment, model_name=model_name)


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        shutil.copytree(source, target, dirs_exist_ok=True)
