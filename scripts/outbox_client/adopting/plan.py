"""Adopting a Truss: what it lacks is found first, and written afterwards."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from ..errors import TargetError
from . import library
from .adoption import Adoption, ByHand, FileChange, LibraryChange
from .config import TrussConfig, check_shape, needed_schemes, plan_config, read_config
from .first_deployment import first_deployment
from .model_class import ModelClass, read_model_class
from .requirements import needed_requirements
from .requirements_file import plan_requirements_file
from .text_file import write_text

_OTHER_FIELD = "outbox"


def plan_adoption(directory: Path, *, settings: Mapping[str, str | None]) -> Adoption:
    """What makes the Truss in `directory` store its results; changes nothing.

    `settings` go into `model_metadata.outbox`: root, region, endpoint_url. None leaves one as it
    is. Raises ConfigurationError where the Truss cannot be adopted, with the reason.
    """
    config = read_config(directory)
    check_shape(config)
    model = read_model_class(
        directory / config.model_file, config.model_class, name=config.model_file
    )
    root = _root(config, settings.get("root"))
    given = {name: value for name, value in settings.items() if value}
    needed = needed_requirements(needed_schemes(config, root))
    planned = [
        *plan_requirements_file(config, needed),
        *plan_config(
            config,
            settings=given | _other_field(config, model),
            scheme=root.scheme,
            needed=needed,
        ),
    ]
    return Adoption(
        directory=directory,
        library=_library(config),
        files=tuple(one for one in planned if isinstance(one, FileChange)),
        model_file=config.model_file,
        model_lines=model.missing_lines,
        notes=tuple(_notes(config, model)),
        by_hand=tuple(one for one in planned if isinstance(one, ByHand)),
        first_deployment=tuple(first_deployment(directory, root, {**config.section, **given})),
    )


def apply(adoption: Adoption) -> None:
    """Write what was planned; config.yaml last. Raises TargetError."""
    try:
        if adoption.library:
            library.write_library(adoption.library.path)
        for change in adoption.files:
            write_text(change.path, change.after)
    except OSError as error:
        raise TargetError(
            f"{error.filename or adoption.directory}: {error.strerror or type(error).__name__};"
            " make it writable, and run the same command again"
        ) from error


def _root(config: TrussConfig, given: str | None) -> Root:
    address = given or config.section.get("root")
    if not address:
        raise ConfigurationError(
            "root", "pass --root s3://bucket/prefix (or gs://…): where the results are to lie"
        )
    return Root.parse(str(address))


def _library(config: TrussConfig) -> LibraryChange | None:
    """Where it lies already, or in the Truss's own packages. Raises ConfigurationError."""
    names = [f"{folder}/{library.NAME}" for folder in config.packages_folders]
    there = [name for name in names if (config.directory / name).exists()]
    name = (there or names)[0]
    return library.library_change(config.directory / name, name=name)


def _other_field(config: TrussConfig, model: ModelClass) -> dict[str, str]:
    if model.metadata_line is None or "metadata_field" in config.section:
        return {}
    return {"metadata_field": _OTHER_FIELD}


def _notes(config: TrussConfig, model: ModelClass) -> Iterator[str]:
    if model.metadata_line is not None:
        field = config.section.get("metadata_field", _OTHER_FIELD)
        yield (
            f"{config.model_file}:{model.metadata_line} takes the field `metadata` for the model's"
            f" own: requests ask to be stored by the field `{field}` (metadata_field)"
        )
