"""The object that lists the artifacts of a result that has very many.

It lies among them, as JSON lines: `name`, `uri`, `size`, `content_type` and `sha256` of one
artifact each, in the order of `names.place_of`. So a reader who sees one line at a time knows all
the same that the names are apart.
"""

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from .errors import ManifestError
from .manifest import Artifact, ArtifactListing
from .names import check_apart, check_artifact_name, place_of

LISTING_NAME = "artifacts~.jsonl"
"""No artifact can take it: in their names there is no `~`."""

MAX_LINE_BYTES = 1 << 20


def line_of(artifact: Artifact) -> bytes:
    return artifact.model_dump_json().encode() + b"\n"


def read_listing(lines: Iterable[bytes], listing: ArtifactListing) -> Iterator[Artifact]:
    """The artifacts that the lines of a listing say; their bytes are known to be the listing's.

    Raises ManifestError where they break the contract, after those that came before.
    """
    count = size = 0
    before: str | None = None
    for line in lines:
        try:
            artifact = Artifact.model_validate_json(line)
            check_artifact_name(artifact.name)
            if before is not None:
                _check_order(before, artifact.name)
        # ValidationError is one, and its text would quote the line.
        except ValueError as error:
            said = "is no artifact" if isinstance(error, ValidationError) else str(error)
            raise ManifestError(f"line {count + 1} of {LISTING_NAME}: {said}") from error
        before, count, size = artifact.name, count + 1, size + artifact.size
        yield artifact
    if (count, size) != (listing.artifact_count, listing.artifact_bytes):
        raise ManifestError(f"{LISTING_NAME} lists other artifacts than its manifest says")


def _check_order(before: str, name: str) -> None:
    """Raises ValueError."""
    check_apart(before, name)
    if place_of(before) > place_of(name):
        raise ValueError("it is not in the order of names")
