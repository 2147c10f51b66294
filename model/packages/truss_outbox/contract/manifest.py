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
)

from .errors import CorruptArtifactError, ManifestError
from .keys import manifest_key
from .names import check_artifact_names

CONTENT_TYPE = "application/json"

MAX_MANIFEST_BYTES = 16 << 20
"""Of a manifest or a failure record: no writer commits a larger one, and no reader takes it."""

_HEX_SHA256 = r"^[0-9a-f]{64}$"
_ATTEMPT = r"^[0-9a-f]{8}$"


class _Record(BaseModel):
    """Fields this version does not know are kept, so that reading and writing back loses none."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    kind: ClassVar[str]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises ManifestError: not JSON, not this kind of record, or another major schema."""
        # Before parsing, which takes many times the memory.
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestError(
                f"{len(data):,} bytes are more than the {MAX_MANIFEST_BYTES:,} of a {cls.kind}"
            )
        # In one step, five times as fast; the others find out what is wrong.
        with contextlib.suppress(ValidationError):
            return cls.model_validate_json(data)
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"the {cls.kind} is not JSON") from error
        # The schema first: what breaks a newer one is not broken, and deserves another remedy.
        schema = document.get("schema") if isinstance(document, dict) else None
        expected = f"outbox.{cls.kind}/v1"
        if schema != expected:
            raise ManifestError(
                f"schema {reprlib.repr(schema)} cannot be read by this version, which knows"
                f" {expected!r}: update Outbox"
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ManifestError(f"the {cls.kind} breaks its schema: {_said(error)}") from error

    def to_bytes(self) -> bytes:
        return self.model_dump_json(by_alias=True, indent=1).encode() + b"\n"


def _said(error: ValidationError) -> str:
    """The first problem, in one line and without the input."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place[:100]}: {first['msg']}{more}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """What an inference hands over to be stored: one execution's outputs.

    `result` is any JSON value: it goes into the manifest and back to the caller, and above 64 KiB
    into the artifact `result.json`. `files` maps an artifact's name (`text.txt`,
    `pages/page-0001.png`: see `names.check_artifact_names`) to the path of a finished file, or to
    its bytes.
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
    """The commit: every artifact it names is complete."""

    kind = "manifest"

    schema_: Literal["outbox.manifest/v1"] = Field(default="outbox.manifest/v1", alias="schema")
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
    artifacts: Annotated[list[Artifact], AfterValidator(_check_names)]
    unsafe_commit: bool = Field(default=False, exclude_if=lambda unsafe: not unsafe)
    """The store could not promise that nothing overwrites this; absent where it could."""

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
