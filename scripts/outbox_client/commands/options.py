"""The options and arguments that several commands share, and how a command is declared."""

import contextlib
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import unescape

from ..bucket.foreign import ForeignObjects
from ..settings import RootOverrides, state_directory
from . import exit_codes
from .answers.printing import named
from .command_help import CONNECTION, Command

_WHOLE_NAME = 100  # a journal's file has no more of its job's name


def known_jobs(incomplete: str) -> list[str]:
    """The jobs submitted from this machine that begin so, by the names of their journals.

    A shell puts them on its command line as they are: what a terminal would act on is left out.
    """
    journals = (state_directory(os.environ) / "jobs").glob("*.sqlite3")
    names = {path.stem.rpartition("-")[0] for path in journals}
    jobs = set[str]()
    for name in names:
        with contextlib.suppress(ValueError):  # somebody else's file
            jobs |= {unescape(name)} if len(name) < _WHOLE_NAME else set()
    return sorted(job for job in jobs if job.startswith(incomplete) and job.isprintable())


def _unicode(job: str | None) -> str | None:
    """Raises InvalidInputError for bytes of the command line that are not UTF-8."""
    try:
        (job or "").encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError("JOB", "is not UTF-8, as names of jobs are") from error
    return job


JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="The job's name.", autocompletion=known_jobs, callback=_unicode
    ),
]
Items = Annotated[
    list[str] | None, typer.Argument(metavar="[ITEM]...", help="All of them by default.")
]
OptionalJob = Annotated[
    str | None,
    typer.Argument(
        metavar="[JOB]", help="The job's name.", autocompletion=known_jobs, callback=_unicode
    ),
]
QUEUE_HELP = (
    "Of the bucket's events: sqs://name, sqs://account/name?region=… or"
    " pubsub://project/subscription."
)
QueueUrl = Annotated[str | None, typer.Option("--queue", metavar="URL", help=QUEUE_HELP)]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to wait for results.")]
Target = Annotated[Path, typer.Option("--to", help="The directory the results go into.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document on stdout; progress, if any, as JSON lines on stderr."
    ),
]


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function a command of `app`; a dataclass parameter becomes an option a field.

    A field's `metadata`, as `settings.option` makes it, goes to `typer.Option`. What the command
    puts into a parameter of ForeignObjects is named on stderr when it ends, unless it was asked for
    JSON and has answered: then its document has it.
    """

    register = app.command(name, cls=Command, epilog=exit_codes.EXPLANATION)
    return lambda function: register(_with_options(function))


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    """The function with the fields of its dataclass parameters in its signature, for typer."""
    own = inspect.signature(function).parameters
    groups: dict[str, Any] = {
        name: p.annotation for name, p in own.items() if is_dataclass(p.annotation)
    }

    foreign = next((name for name, p in own.items() if p.annotation is ForeignObjects), None)

    @functools.wraps(function)
    def wrapped(**arguments: Any) -> None:
        for name, group in groups.items():
            values = {one.name: arguments.pop(one.name) for one in fields(group)}
            arguments[name] = group(**values)
        if foreign is None:
            function(**arguments)
        else:
            with named(ForeignObjects(), as_json=arguments["as_json"]) as found:
                function(**arguments, **{foreign: found})

    wrapped.__signature__ = inspect.Signature(list(_parameters(own)))  # type: ignore[attr-defined]
    return wrapped


def _parameters(own: Mapping[str, inspect.Parameter]) -> Iterator[inspect.Parameter]:
    for parameter in own.values():
        group = parameter.annotation
        if group is ForeignObjects:
            continue
        if is_dataclass(group):
            is_shared = group.__module__ == RootOverrides.__module__
            yield from (_option(one, CONNECTION if is_shared else None) for one in fields(group))
        else:
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _option(one: Field[Any], section: str | None) -> inspect.Parameter:
    metadata = dict(one.metadata)
    written = metadata.pop("option", f"--{one.name.replace('_', '-')}")
    option = typer.Option(written, rich_help_panel=section, **metadata)
    default = one.default if one.default_factory is MISSING else one.default_factory()
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[one.type, option],
    )


def name_and_value(option: str, text: str) -> tuple[str, str]:
    """Raises InvalidInputError, which names the option."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidInputError(option, "must be written NAME=VALUE")
    return name, value


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_WRITTEN = re.compile(r"([0-9]{1,5})([smhd])\Z")


def parse_duration(text: str, *, option: str) -> timedelta:
    """Raises InvalidInputError, which names the option."""
    written = _WRITTEN.match(text)
    if written is None:
        raise InvalidInputError(option, "is a number and a unit: 90s, 30m, 24h or 7d")
    return timedelta(**{_UNITS[written[2]]: int(written[1])})
