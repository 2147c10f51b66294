"""The answers of doctor, sweep and presign as text and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ...text import printable
from ...upkeep.checks import Check
from ...upkeep.presign import Link, PresignReport
from ...upkeep.sweep import Kept, Orphan, UnfinishedUpload

Swept = Orphan | Kept | UnfinishedUpload


def check_line(check: Check) -> str:
    return f"{check.finding.value:<8} {check.name:<18} {printable(check.said)}"


def checks_document(checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "checks": [
            {"name": check.name, "finding": check.finding.value, "said": check.said}
            for check in checks
        ]
    }


def sweep_line(found: Swept) -> str:
    match found:
        case Orphan():
            gone = "deleted" if found.deleted else "orphaned"
            objects = f"{len(found.keys)} object(s), {found.size} bytes"
            return f"{gone}: {printable(found.prefix)}: {objects}"
        case Kept():
            return f"kept: {printable(found.prefix)}: {printable(found.why)}"
        case UnfinishedUpload():
            gone = "aborted" if found.aborted else "unfinished"
            return f"{gone}: {printable(found.key)}: upload of {found.initiated_at:%Y-%m-%d %H:%M}"


def sweep_sum(found: Iterable[Swept], *, deleted: bool) -> str:
    orphans, uploads, size = 0, 0, 0
    for one in found:
        orphans += len(one.keys) if isinstance(one, Orphan) else 0
        size += one.size if isinstance(one, Orphan) else 0
        uploads += isinstance(one, UnfinishedUpload)
    what = f"{orphans} object(s) of {size} bytes, {uploads} unfinished upload(s)"
    if not orphans and not uploads:
        return "nothing to sweep"
    return f"{what}: gone" if deleted else f"{what}; --delete makes them go"


def sweep_document(found: Iterable[Swept], *, deleted: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"deleted": deleted, "orphans": [], "uploads": [], "kept": []}
    for one in found:
        match one:
            case Orphan():
                document["orphans"].append(
                    {"prefix": one.prefix, "keys": list(one.keys), "size": one.size}
                )
            case Kept():
                document["kept"].append(asdict(one))
            case UnfinishedUpload():
                initiated = one.initiated_at.isoformat()
                document["uploads"].append({"key": one.key, "initiated_at": initiated})
    return document


def links_lines(links: Sequence[Link]) -> list[str]:
    return [f"{printable(link.item)}\t{link.name}\t{link.url}" for link in links] or [
        "the job has no result"
    ]


def links_document(job: str, report: PresignReport, *, expires_at: datetime) -> dict[str, Any]:
    return {
        "job": job,
        "expires_at": expires_at.isoformat(timespec="seconds"),
        "links": [asdict(link) for link in report.links],
        "problems": [asdict(problem) for problem in report.problems],
    }
