"""An answer's way to the streams, as text or as JSON."""

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from truss_outbox.contract.text import printable

from ...bucket.foreign import ForeignObjects
from .. import exit_codes


def answer(
    as_json: bool,
    document: dict[str, Any],
    lines: Iterable[str],
    *,
    failed: bool = False,
    reason: str = "",
    foreign: ForeignObjects | None = None,
) -> None:
    """Print a command's answer, the document as JSON or the lines; where it `failed`, end by it.

    `reason` says why there is nothing: on stderr, whose lines no program reads, or in the document.
    The document has what was `foreign`, too; beside the lines, `named` does it.
    """
    if reason and not as_json:
        say(printable(reason), err=True)
    document |= {"reason": reason} if reason else {}
    document |= foreign_document(foreign) if foreign is not None else {}
    parts = _json_texts(document) if as_json else (f"{line}\n" for line in lines)
    # It may be of any length: never all of it is in memory.
    while some := "".join(itertools.islice(parts, _PARTS_AT_ONCE)):
        say(some, end="")
    if failed:
        raise typer.Exit(exit_codes.SOME_FAILED)


_PARTS_AT_ONCE = 1000


def say(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print one line or several, whether anybody reads them or not: all that a command prints goes
    through here.

    A name in it is made `printable` where the line is made, so that it cannot look like a line of
    its own. What is forgotten there cannot move the terminal's cursor all the same.
    """
    with contextlib.suppress(BrokenPipeError):
        typer.echo(printable(text, keep="\n\t") + end, err=err, nl=False)


@dataclass(frozen=True, slots=True)
class Streamed:
    """A list of an answer whose items are made when they are printed, one after the other."""

    items: Iterable[Any]


_ENCODER = json.JSONEncoder()


def _json_texts(document: dict[str, Any]) -> Iterator[str]:
    """As `json_text`, and a line for each streamed item."""
    before = "{"
    for name, value in document.items():
        yield f"{before}\n {json.dumps(name)}: "
        before = ","
        if isinstance(value, Streamed):
            yield "["
            for number, text in enumerate(map(_ENCODER.encode, value.items)):
                yield f"{',' if number else ''}\n  {text}"
            yield "\n ]"
        else:
            yield json.dumps(value, indent=1).replace("\n", "\n ")
    yield "\n}\n" if document else "{}\n"


_FOREIGN_SHOWN = 10


@contextlib.contextmanager
def named(foreign: ForeignObjects, *, as_json: bool) -> Iterator[ForeignObjects]:
    """However the block ends, what was foreign is on stderr, or in the JSON that it answered."""
    has_answered = False
    try:
        yield foreign
        has_answered = True
    except typer.Exit:
        has_answered = True
        raise
    finally:
        if not (as_json and has_answered):
            for line in foreign_lines(foreign):
                say(line, err=True)


def foreign_lines(foreign: ForeignObjects) -> Iterator[str]:
    """The first few, and how many more there are."""
    for one in itertools.islice(foreign, _FOREIGN_SHOWN):
        yield f"passed over: {printable(one.key)}: {printable(one.problem)}"
    if len(foreign) > _FOREIGN_SHOWN:
        yield f"and {len(foreign) - _FOREIGN_SHOWN:,} more passed over; --json lists them"


def foreign_document(foreign: ForeignObjects) -> dict[str, Any]:
    return {"foreign": {"count": len(foreign), "objects": [asdict(one) for one in foreign]}}


def timestamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def json_text(document: dict[str, Any]) -> str:
    """ASCII, so that no terminal or pipe can spoil it."""
    return json.dumps(document, indent=1)
