"""The records in the bucket: what was stored, or why nothing was."""

import contextlib
import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from .errors import CorruptArtifactError, ManifestError
from .keys import manifest_key
from .names import check_artifact_names

CONTENT_TYPE = "application/json"

MAX_MANIFEST_BYTES = 16 << 20
"""Of a manifest or a failure record: no writer commits a larger one, and no reader takes it."""

MAX_ARTIFACTS = 1_000_000
"""Of one result."""

MOST_NAMED = 1_000
"""So many artifacts a manifest names itself; of more, it names an object that lists them."""

_V1, _V2 = "outbox.manifest/v1", "outbox.manifest/v2"

_HEX_SHA256 = r"^[0-9a-f]{64}$"
_ATTEMPT = r"^[0-9a-f]{8}$"


class _Record(BaseModel):
    """Fields this version does not know are kept, so that reading and writing back loses none."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    kind: ClassVar[str]
    schemas: ClassVar[tuple[str, ...]]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises ManifestError: not JSON, not this kind of record, or another major schema."""
        # Before parsing, which takes many times the memory.
        cls._check_size(data)
        # In one step, five times as fast; the others find out what is wrong.
        with contextlib.suppress(ValidationError):
            record = cls.model_validate_json(data)
            if "schema_" in record.model_fields_set:
                return record
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"the {cls.kind} is not JSON") from error
        # The schema first: what breaks a newer one is not broken, and deserves another remedy.
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema not in cls.schemas:
            raise ManifestError(
                f"schema {reprlib.repr(schema)} cannot be read by this version, which knows"
                f" {' and '.join(map(repr, cls.schemas))}: update Outbox"
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ManifestError(f"the {cls.kind} breaks its schema: {_said(error)}") from error

    def to_bytes(self) -> bytes:
        """Raises ManifestError where readers would refuse them: more than MAX_MANIFEST_BYTES."""
        data = self.model_dump_json(by_alias=True, indent=1, exclude=self._absent()).encode()
        self._check_size(data := data + b"\n")
        return data

    def _absent(self) -> set[str] | None:
        """Fields that the record does not have."""
        return None

    @classmethod
    def _check_size(cls, data: bytes) -> None:
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestError(
                f"{len(data):,} bytes are more than the {MAX_MANIFEST_BYTES:,} of a {cls.kind}"
            )


def _said(error: ValidationError) -> str:
    """The first problem, in one line and without the input."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    said = first["msg"].removeprefix("Value error, ")
    return f"{place[:100]}: {said}{more}" if place else f"{said}{more}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What an inference hands over to be stored: one execution's outputs.

    `result` is any JSON value: it goes into the manifest and back to the caller, and above 64 KiB
    into the artifact `result.json`. `files` maps an artifact's name (`text.txt`,
    `pages/page-0001.png`: see `names.check_artifact_names`) to the path of a finished file, or to
    its bytes; there may be a million.
    """

    result: Any = None
    files: Mapping[str, Path | str | bytes] = field(default_factory=dict)


class ModelInfo(BaseModel):
    """The model that ran; `version` is the setting, part of the fingerprint."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    name: str
    version: str
    environment: str | None = None


class Timings(BaseModel):
    """Milliseconds spent in each step, as far as the execution came."""

    model_config = ConfigDict(extra="allow", frozen=True)

    queue: float | None = None
    preprocess: float | None = None
    predict: float | None = None
    upload: float | None = None


class Artifact(BaseModel):
    """One stored file. `uri` is literal: the key in it is not URL-encoded."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    uri: str
    size: int = Field(ge=0)
    content_type: str
    sha256: str = Field(pattern=_HEX_SHA256)


class ArtifactListing(Artifact):
    """The object that lists a result's artifacts: see `listing`."""

    artifact_count: int = Field(ge=0, le=MAX_ARTIFACTS)
    artifact_bytes: int = Field(ge=0)


_RESULT = TypeAdapter[JsonValue](JsonValue)


def fits_manifest(result: JsonValue) -> bool:
    """Whether a reader of manifests takes the result: one that is nested too deeply is refused."""
    try:
        _RESULT.validate_python([[[result]]])  # a manifest's own levels count as well
    except ValidationError:
        return False
    return True


def _check_names(artifacts: list[Artifact]) -> list[Artifact]:
    check_artifact_names([artifact.name for artifact in artifacts])
    return artifacts


class Manifest(_Record):
    """The commit: every artifact it names is complete.

    One of schema v2 has no `artifacts`: its `artifact_listing` is an object that lists them.
    """

    kind = "manifest"
    schemas = (_V1, _V2)

    schema_: Literal["outbox.manifest/v1", "outbox.manifest/v2"] = Field(
        default="outbox.manifest/v1", alias="schema"
    )
    key: str
    request_id: str
    job: str
    item: str
    labels: dict[str, str] = Field(default_factory=dict)
    attempt: str = Field(pattern=_ATTEMPT)
    fingerprint: str = Field(pattern=_HEX_SHA256)
    model: ModelInfo
    created_at: datetime
    timings_ms: Timings = Timings()
    result: JsonValue = None
    artifacts: Annotated[list[Artifact], AfterValidator(_check_names)] = Field(default_factory=list)
    artifact_listing: ArtifactListing | None = Field(
        default=None, exclude_if=lambda listing: listing is None
    )
    unsafe_commit: bool = Field(default=False, exclude_if=lambda unsafe: not unsafe)
    """The store could not promise that nothing overwrites this; absent where it could."""

    @model_validator(mode="after")
    def _check_schema(self) -> Self:
        # Taken for one without files, a result would lose them without a word.
        if self.artifact_listing is None:
            is_whole = self.schema_ == _V1 and "artifacts" in self.model_fields_set
        else:
            is_whole = self.schema_ == _V2 and not self.artifacts
        if not is_whole:
            raise ValueError(f"{_V1} has artifacts, {_V2} an artifact_listing")
        return self

    @property
    def artifact_count(self) -> int:
        listing = self.artifact_listing
        return len(self.artifacts) if listing is None else listing.artifact_count

    @property
    def artifact_bytes(self) -> int:
        """Of all artifacts together."""
        listing = self.artifact_listing
        if listing is not None:
            return listing.artifact_bytes
        return sum(artifact.size for artifact in self.artifacts)

    def naming(self, artifacts: list[Artifact] | ArtifactListing) -> Self:
        """The same manifest with other artifacts, or with an object that lists them."""
        if isinstance(artifacts, ArtifactListing):
            named = {"schema_": _V2, "artifacts": [], "artifact_listing": artifacts}
        else:
            named = {"schema_": _V1, "artifacts": artifacts, "artifact_listing": None}
        return self.model_copy(update=named)

    def _absent(self) -> set[str] | None:
        return None if self.artifact_listing is None else {"artifacts"}

    @classmethod
    def at(cls, path: str, data: bytes) -> Self:
        """The manifest read from `path` below a root.

        Raises ManifestError, also if it names another key than the one it lies under: a writer of
        one key could otherwise have readers take another key's files.
        """
        manifest = cls.from_bytes(data)
        if path != manifest_key(manifest.key):
            raise ManifestError("the manifest lies under a key that is not its own")
        return manifest


class Failure(_Record):
    """Why an execution stored nothing. Never holds input data, a secret or a message of a library.

    `traceback_digest` (hex) is equal for failures that happened at the same place in the code; the
    place itself is in the model's log under the same digest.
    """

    kind = "failure"
    schemas = ("outbox.failure/v1",)

    schema_: Literal["outbox.failure/v1"] = Field(default="outbox.failure/v1", alias="schema")
    key: str
    request_id: str
    attempt: str = Field(pattern=_ATTEMPT)
    code: str
    message: str
    retryable: bool
    model: ModelInfo
    created_at: datetime
    timings_ms: Timings = Timings()
    traceback_digest: str | None = None


def check_artifact(artifact: Artifact, *, size: int, sha256: str) -> None:
    """Raises CorruptArtifactError unless the bytes read are those the manifest promises."""
    if size != artifact.size:
        raise CorruptArtifactError(artifact.name, f"{size} bytes instead of {artifact.size}")
    if sha256 != artifact.sha256:
        raise CorruptArtifactError(artifact.name, "its SHA-256 is not the manifest's")
