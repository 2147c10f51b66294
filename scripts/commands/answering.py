"""How every command answers: its text or its JSON on stdout, its verdict as exit code."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scripts.client import exit_codes, rendering
from scripts.client.journal import Entry
from scripts.client.states import State

JobName = Annotated[str, typer.Argument(metavar="JOB", help="The job's name.")]
Items = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM]...", help="All of them by default.")
]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to wait for results.")]
Target = Annotated[Path, typer.Option("--to", help="The directory the results go into.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def answer(as_json: bool, document: dict[str, Any], lines: Sequence[str]) -> None:
    typer.echo(rendering.as_json(document) if as_json else "\n".join(lines))


def finish(*, failed: bool) -> NoReturn:
    raise typer.Exit(exit_codes.SOME_FAILED if failed else exit_codes.OK)


def timestamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def any_failed(entries: Sequence[Entry]) -> bool:
    return any(entry.state is not State.SUCCEEDED for entry in entries)
