"""Documents in, text out: each page is rendered, read, and written to the artifacts wanted."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from .request import Request

if TYPE_CHECKING:
    from .inference import DocumentInference

__all__ = ["Request", "load"]


def load(settings: Mapping[str, JsonValue], data_directory: Path) -> "DocumentInference":
    """The inference, warm. `settings` as in config.yaml, weights below `data_directory`.

    Raises ConfigurationError.
    """
    # Imported here: the process that opens documents imports this package, and needs no models.
    from .inference import DocumentInference  # noqa: PLC0415

    return DocumentInference.load(settings, data_directory)
