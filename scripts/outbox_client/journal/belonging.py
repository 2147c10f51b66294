"""What a journal belongs to: a job, the bucket it was sent to, and the endpoint of that bucket."""

import contextlib
import difflib
import hashlib
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.keys import escape
from truss_outbox.contract.root import Root

from ..errors import UnknownJobError
from . import queries

_SHOWN, _NEAR = 8, 3
_GOOGLE = {"storage.googleapis.com", "www.googleapis.com"}
_AWS = re.compile(r"(?:.+\.)?s3\b.*\.amazonaws\.com(?:\.cn)?")
_PARTITION = re.compile(r"\b(?:cn|us-gov)(?=-[a-z]+-\d)")  # in a region or a host
_PORTS = {"http": 80, "https": 443}


def endpoint_identity(root: str, endpoint_url: str | None, region: str | None = None) -> str:
    """The same text for every spelling of one endpoint; empty for the cloud's own.

    The regions of AWS are one endpoint: a bucket's name is given once in all of them, but again in
    China's and in GovCloud's, which are `cn` and `us-gov`. A directory has no endpoint.
    """
    scheme = Root.parse(root).scheme
    if scheme not in {"s3", "gs"}:
        return ""
    if not endpoint_url:
        return _partition(region) if scheme == "s3" and region else ""
    try:
        parts = urlsplit(endpoint_url if "://" in endpoint_url else f"https://{endpoint_url}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # no address: who opens the bucket is told so
        return endpoint_url
    if host in _GOOGLE:
        return ""
    if _AWS.fullmatch(host):
        return _partition(host)
    at = "" if port in {None, _PORTS.get(parts.scheme)} else f":{port}"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{at}{parts.path.rstrip('/')}"


def _partition(region: str) -> str:
    found = _PARTITION.search(region)
    return found[0] if found else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlace:
    """A job and the bucket it was sent to; two that differ share no journal.

    `endpoint` is by `endpoint_identity`; None in a journal of before endpoints were recorded.
    """

    job: str
    root: str
    endpoint: str | None = ""

    @classmethod
    def recorded(cls, connection: sqlite3.Connection) -> Self:
        """What a journal says; its root as it is written today. Raises sqlite3.Error."""
        cursor = connection.execute(queries.SELECT_ABOUT)
        names = [column[0] for column in cursor.description]
        row = dict(zip(names, cursor.fetchone() or (), strict=True))
        with contextlib.suppress(ConfigurationError):
            row["root"] = str(Root.parse(row["root"]))
        return cls(job=row["job"], root=row["root"], endpoint=row.get("endpoint"))

    def may_be(self, other: "JobPlace") -> bool:
        """Whether a journal of this place may be the other's."""
        same = (self.job, self.root) == (other.job, other.root)
        return same and self.endpoint in {None, other.endpoint}

    @property
    def bucket(self) -> str:
        return f"{self.root} at {self.endpoint}" if self.endpoint else self.root


def journal_path(home: Path, place: JobPlace) -> Path:
    """Of a new journal. Begins with the job's name; the hash tells apart long names, cases and
    buckets."""
    text = "\n".join((place.job, place.root, place.endpoint or ""))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return home / "jobs" / f"{_stem(place.job)}-{digest[:16]}.sqlite3"


def find_journal(home: Path, place: JobPlace) -> Path | None:
    """The journal of the place; else one of its job and root that names no endpoint yet."""
    path = journal_path(home, place)
    if path.is_file():
        return path
    found = [(at, known) for at, known in _recorded(home, place.job) if known.may_be(place)]
    # One that names the endpoint goes before one that may be another's.
    return min(found, key=lambda one: one[1].endpoint is None, default=(None, None))[0]


def buckets_of(home: Path, job: str) -> list[str]:
    """Where the job was sent to from here, as they are shown."""
    return sorted({one.bucket for _, one in _recorded(home, job) if one.job == job})


def unknown_job(home: Path, place: JobPlace) -> UnknownJobError:
    """Says what there is instead: the job in another bucket, or jobs of this one."""
    said = f"job {place.job!r} was not submitted to {place.bucket} from here"
    if elsewhere := buckets_of(home, place.job):
        return UnknownJobError(f"{said}, but to {elsewhere_text(elsewhere)}")
    here = {one.job for _, one in _recorded(home) if one.may_be(replace(place, job=one.job))}
    return UnknownJobError(
        f"{said} (no journal in {home}){jobs_there(place.job, here)}; what others sent,"
        " `outbox fetch` finds"
    )


def elsewhere_text(buckets: Sequence[str]) -> str:
    return (
        f"{', '.join(buckets)}: name that bucket (--root, --endpoint-url), or, if it has moved,"
        " submit the job again: what is stored is not computed again"
    )


def jobs_there(job: str, names: Collection[str]) -> str:
    """`; did you mean 'march'?` where another name is near, else some of them all."""
    names = set(names) - {job}
    if near := difflib.get_close_matches(job, names, n=_NEAR):
        return f"; did you mean {' or '.join(map(repr, near))}?"
    shown = ", ".join(map(repr, sorted(names)[:_SHOWN])) or "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; jobs there: {shown}{more}"


_DAMAGED = (sqlite3.Error, KeyError, TypeError, ValueError)


def _recorded(home: Path, job: str | None = None) -> Iterator[tuple[Path, JobPlace]]:
    """The journals here, of this job or all, and what they belong to; damaged ones are left out."""
    for path in sorted((home / "jobs").glob("*.sqlite3")):
        if job is None or path.name.startswith(f"{_stem(job)}-"):
            with contextlib.suppress(*_DAMAGED), _reading(path) as connection:
                yield path, JobPlace.recorded(connection)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    ) as connection:
        yield connection


def _stem(job: str) -> str:
    return escape(job)[:100]
