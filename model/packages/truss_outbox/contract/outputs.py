"""What an inference hands over to be stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """One execution's outputs.

    `result` is small JSON that goes inline into the manifest and back to the caller. `files` maps
    an artifact's name (`text.txt`, `pages/page-0001.png`: see `names.check_artifact_name`) to a
    finished file inside the request's work directory.
    """

    result: JsonValue = None
    files: Mapping[str, Path] = field(default_factory=dict)
