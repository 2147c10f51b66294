"""A job's results on this machine: fetch, apart from what it does not need to start."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from truss_outbox.contract.errors import InvalidInputError

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..fetching.fetch import Listed
from ..fetching.fetch import fetch as fetch_results
from ..fetching.helpers import Helpers
from ..fetching.layout import FLAT, FOLDERS, Layout, Selection
from ..settings import ResultOverrides, option, read_settings
from .answers.fetched import fetch_document, fetch_lines
from .answers.printing import answer
from .options import JobName, Json, Target, command
from .progress.display import shown_progress, told_once

app = typer.Typer()

KeysFrom = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Only the results of these keys, one a line; - is stdin. Lists nothing.",
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchOptions:
    """Which files `fetch` brings, and where to."""

    only: list[str] = option(
        [],
        "Artifacts, such as text.txt or 'pages/*'; manifest.json counts. Repeatable.",
        metavar="NAME",
    )
    include: list[str] = option(
        [], "Items to fetch, such as 'scans/*'. Repeatable.", metavar="GLOB"
    )
    exclude: list[str] = option([], "Items to leave. Repeatable.", metavar="GLOB")
    flat: bool = option(False, "No folders: ITEM.ARTIFACT, all side by side.")
    output_template: str | None = option(
        None,
        "Below --to, such as '{labels.team}/{item}/{artifact}'; also {key} {job}"
        " {request_id} {model} {environment}.",
        metavar="PATH",
    )

    def selection(self) -> Selection:
        """Raises InvalidInputError, which names the option."""
        if self.flat and self.output_template is not None:
            raise InvalidInputError("--flat", "and --output-template exclude each other")
        layout = FLAT if self.flat else FOLDERS
        if self.output_template is not None:
            layout = Layout.parse(self.output_template)
        return Selection(only=self.only, include=self.include, exclude=self.exclude, layout=layout)


@command(app, "fetch")
def fetch(
    where: ResultOverrides,
    job: JobName,
    to: Target,
    fetching: FetchOptions,
    foreign: ForeignObjects,
    keys_from: KeysFrom = None,
    as_json: Json = False,
) -> None:
    """Bring the job's results here, verified. Needs the bucket alone; brings only what is new."""
    settings, selection = read_settings(where), fetching.selection()
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    with (
        Helpers.of(bucket) as helpers,  # first: the others may have threads
        _listed(keys_from) as listed,
        shown_progress(as_json=as_json) as progress,
        opening.known_digests(settings, job) as digest_of,
    ):
        report = fetch_results(
            job,
            to,
            bucket=helpers,
            naming=opening.result_naming(settings),
            selection=selection,
            digest_of=digest_of,
            progress=progress,
            listed=listed,
        )
    document, lines = fetch_document(report), fetch_lines(report, to=str(to))
    reason = "" if report.results else opening.why_no_result(settings, job)
    failed = bool(report.problems or reason)
    answer(as_json, document, lines, failed=failed, reason=reason, foreign=foreign)


@contextlib.contextmanager
def _listed(keys_from: str | None) -> Iterator[Listed | None]:
    """None where the bucket is to be listed. Raises InvalidInputError."""
    if keys_from is None:
        yield None
        return
    with _opened(keys_from) as file:
        yield Listed.of_keys(filter(None, map(_key, file)))


def _opened(keys_from: str) -> BinaryIO:
    try:
        return sys.stdin.buffer if keys_from == "-" else Path(keys_from).open("rb")
    except OSError as error:
        raise InvalidInputError("--keys-from", f"cannot be read: {error.strerror}") from error


def _key(line: bytes) -> str:
    try:
        return line.decode().strip()
    except UnicodeDecodeError as error:
        raise InvalidInputError("--keys-from", "is not UTF-8: it has a key a line") from error
