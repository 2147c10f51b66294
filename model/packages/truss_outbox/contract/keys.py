"""Where a request's outputs live. Pure: same metadata, same keys."""

import functools
import hashlib
import itertools
import re
import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from .errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from .metadata import RequestMetadata

DEFAULT_TEMPLATE = "job={job}/{item}"

MAX_KEY_BYTES = 800
"""What a key may take of the 1,024 bytes that S3 and GCS allow an object's whole name: the rest
is for the root's prefix (100), `artifacts/`, the attempt and the artifact's own name (100)."""

MAX_SEGMENT_BYTES = 250
"""File-backed stores allow 255 bytes between two slashes; `.json` needs five of them."""

SHORTENED = "~"
"""What stands before the digest of a value that was too long; `escape` leaves none."""

CANARY_FOLDER = "outbox-doctor"
"""What the keys of canaries begin with, whatever the key template."""

CANARY_FAILURE = "0" * 8
"""The attempt that a canary's failure is recorded under, where another finds it."""

_SAFE = frozenset((string.ascii_letters + string.digits + "._-").encode())
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_DIGEST_DIGITS = 32  # 128 bits: nobody finds two values that share them.
_LEAST_BYTES = len(SHORTENED) + _DIGEST_DIGITS + 1
# The longest beginning of an escaped text that cuts no character in two.
_WHOLE = re.compile(r"(?:[^%]|%[0-7]\w|%[CD]\w%\w\w|%E\w%\w\w%\w\w|%F\w%\w\w%\w\w%\w\w)*", re.ASCII)
_EMPTY = "%FF"  # 0xFF never occurs in UTF-8, so no other value is escaped to this.
# What a key holds as it is: no `%`, which marks what was escaped in a value.
_LITERAL = re.compile(r"[A-Za-z0-9._/=,+@-]*\Z")
# None of these is left by `escape`: between two fields they keep `a`+`bc` from meeting `ab`+`c`.
_SEPARATOR = re.compile(r"[/=,+@]")
# What `escape` and a template's literals leave; `~` begins the digest of a shortened name.
_KEY_SEGMENT = re.compile(r"(?!\.)([A-Za-z0-9._=,+@~-]|%[0-9A-F]{2})+\Z")
_ATTEMPT = re.compile(r"[0-9a-f]{8}\Z")
_PROBE = re.compile(r"(?:^|[/=-])[0-9a-f]{8}(?![0-9a-f])")
_LABEL = re.compile(r"labels\.[A-Za-z0-9_-]+\Z")
_FIELDS = frozenset({"job", "item", "request_id", "model", "environment", "hash2"})


def escape(value: str) -> str:
    """`value` as (part of) one path segment; no two values give the same text.

    Bytes outside `A-Za-z0-9._-`, and a leading dot, become `%XX` (UTF-8).
    """
    if _PLAIN.match(value):  # most are: a tenth of the time
        return value
    escaped = "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in value.encode())
    # `.` and `..` would leave the prefix; readers of directories skip hidden names.
    if escaped.startswith("."):
        return f"%2E{escaped[1:]}"
    return escaped or _EMPTY


def unescape(segment: str) -> str:
    """The value that `escape` was given."""
    return "" if segment == _EMPTY else unquote(segment, errors="strict")


def short_segment(value: str, limit: int = MAX_SEGMENT_BYTES) -> str:
    """`escape(value)`; where that is longer than `limit`, its beginning, `~` and a digest.

    No two values give the same text.
    """
    escaped = escape(value)
    if len(escaped) <= limit:
        return escaped
    digest = hashlib.sha256(value.encode()).hexdigest()[:_DIGEST_DIGITS]
    beginning = _WHOLE.match(escaped[: limit - _DIGEST_DIGITS - len(SHORTENED)])
    assert beginning is not None
    return f"{beginning[0]}{SHORTENED}{digest}"


def is_key(text: str) -> bool:
    """Whether some template and some request could make this key."""
    segments = text.split("/")
    return len(text) <= MAX_KEY_BYTES and all(
        len(segment) <= MAX_SEGMENT_BYTES and _KEY_SEGMENT.match(segment) for segment in segments
    )


def new_attempt() -> str:
    """A name for one execution: 8 random hex digits."""
    return secrets.token_hex(4)


def is_attempt(segment: str) -> bool:
    """Whether `new_attempt` could have made it."""
    return _ATTEMPT.match(segment) is not None


def manifest_key(key: str) -> str:
    return f"manifests/{key}.json"


def key_of_manifest(path: str) -> str:
    """The key whose manifest lies at `path`."""
    return path.removeprefix("manifests/").removesuffix(".json")


def artifact_key(key: str, attempt: str, name: str) -> str:
    return f"artifacts/{key}/{attempt}/{name}"


def failure_key(key: str, attempt: str) -> str:
    return f"failures/{key}/{attempt}.json"


def key_of_failure(path: str) -> str:
    """The key whose failure record lies at `path`."""
    return path.removeprefix("failures/").rpartition("/")[0]


def is_probe(path: str) -> bool:
    """Whether a model that tried the bucket out may have written the object: `probes/<attempt>…`"""
    name = path.removeprefix("probes/")
    return path != name and is_key(name) and _PROBE.search(name) is not None


def canary_key(item: str) -> str:
    """Of a request of `outbox doctor --send`."""
    return f"{CANARY_FOLDER}/{escape(item)[:MAX_SEGMENT_BYTES]}"


def hash2(job: str, item: str) -> str:
    """Two hex digits: 256 folders for one job's neighbours, which are a partition's else."""
    return hashlib.sha256(f"{job}/{item}".encode()).hexdigest()[:2]


def input_key(sha256: str) -> str:
    return f"inputs/{sha256}"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFields:
    """What a key template may use: all of it is the same on every retry of a request."""

    metadata: "RequestMetadata"
    request_id: str
    model: str
    environment: str | None = None

    def value(self, field: str) -> str:
        """Raises InvalidInputError where the request does not have the field."""
        value = self._value(field)
        if value is None:
            raise InvalidInputError(
                f"metadata.{field}", "the key template uses it and the request does not have it"
            )
        return value

    def _value(self, field: str) -> str | None:
        metadata = self.metadata
        if field in {"item", "hash2"}:
            item = self.request_id if metadata.item is None else metadata.item
            return item if field == "item" else hash2(metadata.job, item)
        own = {
            "job": metadata.job,
            "request_id": self.request_id,
            "model": self.model,
            "environment": self.environment,
        }
        return own[field] if field in own else metadata.labels.get(field.removeprefix("labels."))


Segment = list[tuple[str, str]]
"""Of a key template: `(literal, field)` pairs, some of their fields empty."""


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """A parsed key template: `(literal, field)` pairs, the last field possibly empty."""

    text: str
    parts: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ConfigurationError: unknown field, unsafe literal, or fields that could merge."""
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ConfigurationError("key_template", f"{error} in {text!r}") from error
        if any(field == "" or spec or conversion for _, field, spec, conversion in parsed):
            raise ConfigurationError("key_template", "a field is written {name}, without : or !")
        parts = tuple((literal, field or "") for literal, field, _, _ in parsed)
        _check_fields(parts)
        _check_literals(text, parts)
        template = cls(text, parts)
        if any(_room(segment) < _LEAST_BYTES for segment in template.segments()):
            raise ConfigurationError(
                "key_template",
                f"a field has less than {_LEAST_BYTES} of the {MAX_SEGMENT_BYTES} bytes between"
                " two slashes: use fewer or shorter names there",
            )
        return template

    def render(self, fields: KeyFields) -> str:
        """The key of a request; a value too long for its segment is shortened to a digest.

        Raises InvalidInputError: missing field, key too long.
        """
        key = "/".join(render_segment(segment, fields.value) for segment in self.segments())
        if len(key) > MAX_KEY_BYTES:
            raise InvalidInputError(
                "metadata",
                f"makes a key of {len(key)} bytes once escaped, more than the {MAX_KEY_BYTES}"
                " that fit an object's name of 1,024 bytes; send shorter values",
            )
        return key

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(field for _, field in self.parts if field)

    def job_prefix(self, job: str) -> str:
        """What the keys of all the job's results begin with; empty where they share nothing."""
        shared = itertools.takewhile(
            lambda segment: all(field in {"", "job"} for _, field in segment),
            # Not the last, which is the end of a key.
            list(self.segments())[:-1],
        )
        return "".join(f"{render_segment(segment, lambda _: job)}/" for segment in shared)

    def values(self, key: str) -> dict[str, str] | None:
        """What the fields of the key's request were, where the key tells.

        None where it is another template's, or a value was too long for it.
        """
        match = _matcher(self).fullmatch(key)
        if match is None:
            return None
        names = (field for _, field in self.parts if field)
        try:
            return dict(zip(names, map(unescape, match.groups()), strict=True))
        except ValueError:
            return None

    def may_be_of(self, key: str, takes_item: Callable[[str], bool]) -> bool:
        """Whether `takes_item` takes the request's item, or the key does not tell: see `values`."""
        item = (self.values(key) or {}).get("item")
        return item is None or takes_item(item)

    def segments(self) -> Iterator[Segment]:
        """The parts between two slashes."""
        segment = Segment()
        for literal, field in self.parts:
            *ended, rest = literal.split("/")
            for text in ended:
                yield [*segment, (text, "")]
                segment = Segment()
            segment.append((rest, field))
        yield segment


@functools.cache
def _matcher(template: KeyTemplate) -> re.Pattern[str]:
    """Of keys; a group is what `escape` leaves, which no digest and no separator is part of."""
    return re.compile(
        "".join(
            re.escape(literal) + ("([A-Za-z0-9._%-]+)" if field else "")
            for literal, field in template.parts
        )
    )


def render_segment(segment: Segment, value: Callable[[str], str]) -> str:
    """What a key has in the place of the segment; `value` gives a field's."""
    whole = "".join(literal + (escape(value(field)) if field else "") for literal, field in segment)
    if len(whole) <= MAX_SEGMENT_BYTES:
        return whole
    room = _room(segment)
    return "".join(
        literal + (short_segment(value(field), room) if field else "") for literal, field in segment
    )


def _room(segment: Segment) -> int:
    """The bytes that each field of a segment may have where it is too long."""
    literals = sum(len(literal) for literal, _ in segment)
    return (MAX_SEGMENT_BYTES - literals) // max(1, sum(field != "" for _, field in segment))


def _check_fields(parts: tuple[tuple[str, str], ...]) -> None:
    fields = [field for _, field in parts if field]
    for field in fields:
        if field not in _FIELDS and not _LABEL.match(field):
            known = ", ".join(sorted(_FIELDS))
            raise ConfigurationError(
                "key_template", f"unknown field {{{field}}}; there are {known} and labels.NAME"
            )
    if not set(fields) - {"hash2"}:
        raise ConfigurationError("key_template", "needs a field such as {item}: one key for all")


def _check_literals(text: str, parts: tuple[tuple[str, str], ...]) -> None:
    for literal, _ in parts:
        if not _LITERAL.match(literal):
            raise ConfigurationError("key_template", f"{literal!r} may only hold A-Za-z0-9._/=,+@-")
    for (_, field), (literal, following) in itertools.pairwise(parts):
        if following and not _SEPARATOR.search(literal):
            raise ConfigurationError(
                "key_template",
                f"{{{field}}} and {{{following}}} need one of / = , + @ between them:"
                " otherwise different requests could share a key",
            )
    if any(segment == "" or segment.startswith(".") for segment in text.split("/")):
        raise ConfigurationError("key_template", "a segment may not be empty or begin with a dot")
