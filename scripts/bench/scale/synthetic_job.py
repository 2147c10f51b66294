"""A job's results and failures, each made from its number: any number of them takes no memory."""

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache

from truss_outbox.contract.fingerprint import fingerprint
from truss_outbox.contract.keys import artifact_key, failure_key, key_of_manifest, manifest_key
from truss_outbox.contract.manifest import Artifact, Failure, Manifest, ModelInfo, Timings

DIGEST = "0" * 64
"""Of every request's input."""

ROOT = "s3://outbox"
ARTIFACT = "text.txt"
AGE_SECONDS = 2 * 86_400
"""Of a job's first result, where nothing else is said."""

_MODEL = ModelInfo(name="synthetic", version="1")
_MOST = 10**7
_SECOND_RESULTS = 1000
_TAIL_BYTES = 64
_CHUNK_BYTES = 256 << 10
_BLOCK = random.Random(0).randbytes(_CHUNK_BYTES)  # noqa: S311  # no secret: the same each time

# What a template is made with, and cut at; none occurs in another.
_NUMBER, _TEAM, _ATTEMPT = "7777777", "555", "fedcba98"
_SHA256 = "0123456789abcdef" * 4
_TIME = "2001-01-01T01:01:01Z"


@dataclass(frozen=True, kw_only=True)
class SyntheticJob:
    """`count` requests, whose records have one size each; the key's order is that of `position`.

    Every `failed_every`th request failed; none with 0. With `teams`, by which `count` must be
    divisible, the key template is `job={job}/team={labels.team}/{item}`, and the order of keys is
    not that of items. Results were committed from `began_at` on, seconds since the epoch, a
    thousand in one.
    """

    name: str
    count: int
    size: int = 16 << 10
    failed_every: int = 0
    teams: int = 0
    began_at: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.count <= _MOST or self.size < _TAIL_BYTES:
            raise ValueError(f"a job has 1 to {_MOST} results of {_TAIL_BYTES} bytes or more")
        if self.teams and (self.count % self.teams or self.teams > 1000):
            raise ValueError("a job has up to 1,000 teams, with as many results in each")

    @classmethod
    def parse(cls, text: str) -> "SyntheticJob":
        """`NAME=COUNT`, then `,size=…`, `,failed=SHARE`, `,teams=…`, `,began=…`.

        Raises ValueError.
        """
        (name, count), *more = (part.split("=", 1) for part in text.split(","))
        own = dict(more)
        options = {"size": "16384", "teams": "0", "failed": "0", "began": str(now() - AGE_SECONDS)}
        if unknown := own.keys() - options.keys():
            raise ValueError(f"a job has no {', '.join(unknown)}")
        options |= own
        failed = float(options["failed"])
        return cls(
            name=name,
            count=int(count),
            size=int(options["size"]),
            teams=int(options["teams"]),
            failed_every=round(1 / failed) if failed else 0,
            began_at=int(options["began"]),
        )

    @property
    def template(self) -> str:
        return "job={job}/team={labels.team}/{item}" if self.teams else "job={job}/{item}"

    def number(self, position: int) -> int:
        """Of the request whose key is at this place among all keys."""
        if not self.teams:
            return position
        team, within = divmod(position, self.count // self.teams)
        return within * self.teams + team

    def position(self, number: int) -> int:
        if not self.teams:
            return number
        within, team = divmod(number, self.teams)
        return team * (self.count // self.teams) + within

    def item(self, number: int) -> str:
        return f"{number:07}.pdf"

    def labels(self, number: int) -> dict[str, str]:
        return {"team": f"{number % self.teams:03}"} if self.teams else {}

    def request_id(self, number: int) -> str:
        return f"r-{number:07}"

    def has_failed(self, position: int) -> bool:
        return self.failed_every > 0 and position % self.failed_every == self.failed_every - 1

    def time(self, position: int) -> int:
        """When it was stored, in seconds since the epoch."""
        return self.began_at + position // _SECOND_RESULTS

    def key(self, position: int) -> str:
        return key_of_manifest(self.manifest_path(position))

    def manifest(self, position: int) -> bytes:
        sha256 = self._beginning_sha256.copy()
        sha256.update(self._tail(position))
        names = {"sha256": sha256.hexdigest(), "time": _time_text(self.time(position))}
        return (self._manifest_template % (self._names(position) | names)).encode()

    def failure(self, position: int) -> bytes:
        names = self._names(position) | {"time": _time_text(self.time(position))}
        return (self._failure_template % names).encode()

    def manifest_path(self, position: int) -> str:
        return self._manifest_path % self._names(position)

    def artifact_path(self, position: int) -> str:
        return self._artifact_path % self._names(position)

    def failure_path(self, position: int) -> str:
        return self._failure_path % self._names(position)

    def artifact(self, position: int, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of the artifact in this range, some at a time."""
        end = self.size - _TAIL_BYTES
        while start < min(stop, end):
            within = start % _CHUNK_BYTES
            some = _BLOCK[within : within + min(stop, end) - start]
            yield some
            start += len(some)
        if stop > end:
            yield self._tail(position)[start - end : stop - end]

    def artifact_md5(self, position: int) -> str:
        digest = self._beginning_md5.copy()
        digest.update(self._tail(position))
        return digest.hexdigest()

    @cached_property
    def _beginning_sha256(self) -> "hashlib._Hash":
        return self._hashed(hashlib.sha256())

    @cached_property
    def _beginning_md5(self) -> "hashlib._Hash":
        return self._hashed(hashlib.md5(usedforsecurity=False))

    def _hashed(self, digest: "hashlib._Hash") -> "hashlib._Hash":
        """Of what all artifacts begin with: only their ends differ."""
        for some in self.artifact(0, 0, self.size - _TAIL_BYTES):
            digest.update(some)
        return digest

    def _tail(self, position: int) -> bytes:
        return b"%-63d\n" % self.number(position)

    def _names(self, position: int) -> dict[str, str]:
        return _names(self.number(position), self.teams)

    @property
    def _key(self) -> str:
        team = f"team={_TEAM}/" if self.teams else ""
        return f"job={self.name}/{team}{_NUMBER}.pdf"

    @cached_property
    def _manifest_path(self) -> str:
        return _marked(manifest_key(self._key))

    @cached_property
    def _artifact_path(self) -> str:
        return _marked(artifact_key(self._key, _ATTEMPT, ARTIFACT))

    @cached_property
    def _failure_path(self) -> str:
        return _marked(failure_key(self._key, _ATTEMPT))

    @cached_property
    def _manifest_template(self) -> str:
        artifact = Artifact(
            name=ARTIFACT,
            uri=f"{ROOT}/{artifact_key(self._key, _ATTEMPT, ARTIFACT)}",
            size=self.size,
            content_type="text/plain",
            sha256=_SHA256,
        )
        manifest = Manifest(
            key=self._key,
            request_id=f"r-{_NUMBER}",
            job=self.name,
            item=f"{_NUMBER}.pdf",
            labels={"team": _TEAM} if self.teams else {},
            attempt=_ATTEMPT,
            fingerprint=fingerprint(DIGEST, model_version=_MODEL.version),
            model=_MODEL,
            created_at=datetime.fromisoformat(_TIME),
            timings_ms=Timings(queue=12.0, preprocess=3.5, predict=801.25, upload=41.0),
            result={"text": _NUMBER},
            artifacts=[artifact],
        )
        return _marked(manifest.to_bytes().decode())

    @cached_property
    def _failure_template(self) -> str:
        failure = Failure(
            key=self._key,
            request_id=f"r-{_NUMBER}",
            attempt=_ATTEMPT,
            code="INVALID_INPUT",
            message="document: it cannot be read; send a PDF",
            retryable=False,
            model=_MODEL,
            created_at=datetime.fromisoformat(_TIME),
        )
        return _marked(failure.to_bytes().decode())


def _marked(text: str) -> str:
    """As a template of `%`, with what differs from one number to the next in it."""
    text = text.replace("%", "%%")
    for value, name in (
        (_SHA256, "sha256"),
        (_ATTEMPT, "attempt"),
        (_NUMBER, "number"),
        (_TIME, "time"),
    ):
        text = text.replace(value, f"%({name})s")
    return text.replace(f'"{_TEAM}"', '"%(team)s"').replace(f"team={_TEAM}/", "team=%(team)s/")


@lru_cache(maxsize=1024)
def _names(number: int, teams: int) -> dict[str, str]:
    """What templates need; asked for several times in one call."""
    return {
        "number": f"{number:07}",
        "team": f"{number % teams:03}" if teams else "",
        "attempt": f"{number * 2654435761 & 0xFFFFFFFF:08x}",
    }


@lru_cache(maxsize=1024)
def _time_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def now() -> int:
    return int(datetime.now(UTC).timestamp())
