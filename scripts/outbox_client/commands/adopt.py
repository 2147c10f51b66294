"""The library in a Truss: add and new."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from truss_outbox.contract.text import printable

from ..adopting import Adoption, ByHand, apply, new_truss, plan_adoption
from . import exit_codes
from .answers.printing import answer
from .options import Json, command

app = typer.Typer()

Root = Annotated[str | None, typer.Option(help="Where results go: s3://bucket/prefix or gs://…")]


@command(app, "add")
def add(
    truss: Annotated[Path, typer.Argument(metavar="TRUSS_DIR", help="The folder of the Truss.")],
    root: Root = None,
    region: Annotated[str | None, typer.Option(help="The bucket's region.")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="Of a store that speaks S3's API.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only show what would change; 1 if anything.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put the library into a Truss that is there, and say which line its model needs."""
    settings = {"root": root, "region": region, "endpoint_url": endpoint_url}
    adoption = plan_adoption(truss, settings=settings)
    if not check:
        apply(adoption)
    lines = check_lines(adoption) if check else adoption_lines(adoption)
    answer(as_json, adoption_document(adoption, written=not check), lines)
    if adoption.by_hand or (check and adoption.changes_something):
        raise typer.Exit(exit_codes.SOME_FAILED)


@command(app, "new")
def new(
    truss: Annotated[Path, typer.Argument(metavar="NAME", help="The folder to make.")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Make a Truss that stores its results, to put your own inference in."""
    adoption = new_truss(truss, root=root)
    answer(as_json, adoption_document(adoption, written=True), adoption_lines(adoption))


def adoption_lines(adoption: Adoption) -> Iterator[str]:
    yield from _library_lines(adoption)
    for change in adoption.files:
        yield printable(f"{change.name}: added {', '.join(change.added)}")
    yield from _lines_for_the_author(adoption)
    yield ""
    yield "Before it is deployed, and after:"
    for number, step in enumerate(adoption.first_deployment, start=1):
        yield f"  {number}. {printable(step)}"


def check_lines(adoption: Adoption) -> Iterator[str]:
    for change in adoption.files:
        yield from map(printable, change.diff())
    yield from _library_lines(adoption)
    yield from _lines_for_the_author(adoption)


def _library_lines(adoption: Adoption) -> Iterator[str]:
    if library := adoption.library:
        what = f"from {library.before} to {library.after}" if library.before else library.after
        yield printable(f"{library.name}: {what}, {library.files} files")
    if not adoption.changes_something:
        yield printable(f"{adoption.directory}: the library and its settings are there already")


def _lines_for_the_author(adoption: Adoption) -> Iterator[str]:
    yield from _model_lines(adoption)
    yield from map(printable, adoption.notes)
    yield from _by_hand_lines(adoption.by_hand)


def _model_lines(adoption: Adoption) -> Iterator[str]:
    if not adoption.model_lines:
        yield printable(f"{adoption.model_file}: needs no further line")
        return
    yield ""
    yield printable(f"Add to {adoption.model_file}:")
    yield from (f"  line {one.number:>3}:  {one.text}" for one in adoption.model_lines)


def _by_hand_lines(by_hand: Iterable[ByHand]) -> Iterator[str]:
    for one in by_hand:
        yield ""
        yield printable(f"Change by hand: {one.where}: {one.problem}")
        yield from (f"  {printable(line)}" for line in one.lines)


def adoption_document(adoption: Adoption, *, written: bool) -> dict[str, Any]:
    library = adoption.library
    return {
        "truss": str(adoption.directory),
        "written": written and adoption.changes_something,
        "library": library
        and {"folder": library.name, "from": library.before, "to": library.after},
        "files": [{"name": one.name, "added": one.added} for one in adoption.files],
        "model": {
            "file": adoption.model_file,
            "lines": [asdict(one) for one in adoption.model_lines],
        },
        "notes": adoption.notes,
        "by_hand": [asdict(one) for one in adoption.by_hand],
        "first_deployment": adoption.first_deployment,
    }
