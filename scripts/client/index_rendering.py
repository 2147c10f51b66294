"""What `index` answers, as text and as JSON."""

from dataclasses import asdict
from typing import Any

from scripts.client.indexing import IndexReport
from scripts.client.rendering import printable


def index_document(report: IndexReport) -> dict[str, Any]:
    return asdict(report)


def index_lines(report: IndexReport) -> list[str]:
    wrong = f", {len(report.problems)} wrong" if report.problems else ""
    added = f"{report.added} result(s) indexed in {len(report.parts)} new file(s)"
    return [
        *(f"{printable(one.key)}: {one.problem}" for one in report.problems),
        f"job {printable(report.job)}: {added}, {report.known} were there{wrong}",
    ]
