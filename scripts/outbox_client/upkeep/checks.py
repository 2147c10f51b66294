"""What one of doctor's checks found: ok, wrong, or not to be known from here."""

from dataclasses import dataclass
from enum import StrEnum

from truss_outbox.contract.errors import OutboxError


class Finding(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """`said` is one line, with the remedy where something is wrong."""

    name: str
    finding: Finding
    said: str


def ok(name: str, said: str) -> Check:
    return Check(name=name, finding=Finding.OK, said=said)


def wrong(name: str, said: str | OutboxError) -> Check:
    return Check(name=name, finding=Finding.WRONG, said=str(said))


def unknown(name: str, said: str) -> Check:
    return Check(name=name, finding=Finding.UNKNOWN, said=said)
