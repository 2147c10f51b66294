"""Lay a Truss out as its image would be, without building the image."""

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import TrussError

_COPIED = {"bundled_packages_dir": "packages", "model_module_dir": "model", "data_dir": "data"}
"""Each setting's folder, and its name here. In the image the first is `/packages`, which Truss puts
on the import path; a folder of that name cannot be had here, so the launcher does it."""

_SERVERS = {"docker_server", "trt_llm"}
_LIBRARY = "truss_outbox"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrussLayout:
    """A folder like the image's `/app`, and the environment the image would set.

    `changed` are the settings of config.yaml that are not Truss's defaults, of `runtime` one by
    one (`runtime.oidc`); `requirements` the files, by name, of what the image would install.
    `python` is what the server runs in. The rest is where its author writes: `config`,
    `requirements_file`, `model_file`, and `folders` by the name that they are copied to.
    """

    directory: Path
    environment: dict[str, str]
    model_name: str
    changed: Mapping[str, Any] = field(repr=False)
    requirements: Mapping[str, str] = field(repr=False)
    python_version: str
    config: Path
    requirements_file: Path
    model_file: Path
    folders: Mapping[str, Sequence[Path]]
    python: Path = Path(sys.executable)

    @property
    def name(self) -> str:
        return self.directory.name

    def source_of(self, file: Path) -> Path | None:
        """The author's own file that was copied to `file`; None where it is not the author's."""
        if not file.is_relative_to(self.directory):
            return None
        folder, *rest = file.relative_to(self.directory).parts
        if not rest or folder not in _COPIED.values() or _LIBRARY in rest:
            return None
        copied = [place.joinpath(*rest) for place in self.folders[folder]]
        return next((path for path in copied if path.exists()), file)


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
        settings = yaml.safe_load((context / "config.yaml").read_text())
        changed = _changed(dict(settings))
        for name in _SERVERS & changed.keys():
            problem = f"{name} of its config.yaml names a server that is in an image alone"
            raise TrussError(truss_directory, problem)
        shutil.move(context / "server", target)
        for setting, name in _COPIED.items():
            _copy(context / settings[setting], target / name)
        # `truss push` gathers them before it uploads the Truss; a conflict is its author's.
        for directory in settings["external_package_dirs"]:
            _copy(truss_directory / directory, target / "packages")
        shutil.move(context / "config.yaml", target / "config.yaml")
        requirements = _requirements(context, settings["requirements_file"])
    environment = {name: str(value) for name, value in settings["environment_variables"].items()}
    folders = {name: [truss_directory / settings[key]] for key, name in _COPIED.items()}
    folders["packages"] += [truss_directory / one for one in settings["external_package_dirs"]]
    return TrussLayout(
        directory=target,
        environment=environment,
        model_name=str(settings.get("model_name") or "model"),
        changed=changed,
        requirements=requirements,
        # `py313`
        python_version=f"{settings['python_version'][2]}.{settings['python_version'][3:]}",
        config=truss_directory / "config.yaml",
        requirements_file=truss_directory / (settings["requirements_file"] or "config.yaml"),
        model_file=folders["model"][0] / settings["model_class_filename"],
        folders=folders,
    )


def _changed(settings: dict[str, Any]) -> dict[str, Any]:
    """What is not as Truss's defaults are."""
    from truss.base.truss_config import TrussConfig  # noqa: PLC0415  # as above

    defaults = TrussConfig().to_dict(verbose=True)
    for one in (settings, defaults):
        one |= {f"runtime.{name}": value for name, value in one.pop("runtime").items()}
    # Nothing is written in several ways.
    return {
        name: value
        for name, value in settings.items()
        if (value or None) != (defaults.get(name) or None)
    }


def _requirements(context: Path, named: str | None) -> dict[str, str]:
    """The texts of the files that Truss's Dockerfile installs, under their names there."""
    names = {"requirements.txt", "constraints.txt"}
    match Path(named or "").name:
        case "":
            pass
        case "uv.lock":
            names |= {"uv.lock", "pyproject.toml"}
        case "pyproject.toml":
            names.add("pyproject.toml")
        case _:
            names.add("user_requirements.txt")
    return {name: (context / name).read_text() for name in sorted(names)}


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        shutil.copytree(source, target, dirs_exist_ok=True)
