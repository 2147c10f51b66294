"""The options and arguments that several commands share, and how a command is declared."""

import contextlib
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from pydantic import JsonValue

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import unescape

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..fetching.layout import FLAT, FOLDERS, Layout, Selection
from ..settings import ClientSettings, RootOverrides, option, state_directory
from ..sources.files import Reading
from ..sources.items import FIELD, Batch
from ..sources.references import located
from ..sources.tables import Columns, json_or_text
from . import answers, exit_codes
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


class Names(StrEnum):
    """What a file is called as an item."""

    PATH = "path"
    CONTENT = "content"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubmitOptions:
    """What the requests of a job share, and how their sources are read."""

    job: str = field(metadata={"help": "The job's name."})
    label: list[str] = option([], "Repeatable.", metavar="NAME=VALUE")
    field: str = option(
        FIELD,
        "The field of the model's input that a file is sent in.",
        metavar="NAME",
        envvar="OUTBOX_FIELD",
    )
    set: list[str] = option(
        [],
        'A further field of the model\'s input, such as pages; {"path": "a.png"} is a file.'
        " Repeatable.",
        metavar="NAME=JSON",
    )
    priority: int | None = option(
        None, "0 goes first, 2 last; of more than 100 items at once it is 1.", min=0, max=2
    )
    max_time_in_queue: int | None = option(
        None, "Seconds; then a request expires.", min=10, max=259_200
    )
    webhook: str | None = option(
        None, "Where the service posts each result, beside the bucket.", metavar="URL"
    )
    max_attempts: int | None = option(None, "Inferences of a request, at most.", min=1, max=10)
    initial_delay_ms: int | None = option(
        None, "Between the first two of them.", min=0, max=10_000, metavar="MS"
    )
    max_delay_ms: int | None = option(
        None, "The delay doubles up to this.", min=0, max=60_000, metavar="MS"
    )
    stage: bool = option(
        False, "Send every file by way of the bucket, so that any machine can send it again."
    )
    names: Names = option(Names.PATH, "Call files by their path, or by their content's SHA-256.")
    item_column: str = option("item", "In a table, the items' names.", metavar="NAME")
    label_column: list[str] = option(
        [],
        "In a table, a label, beside those in its object `labels`. Repeatable.",
        metavar="NAME",
    )
    base: Path | None = option(
        None,
        "In a table, the folder of the files that its rows name; by default the table's own.",
        metavar="FOLDER",
    )
    skip_unreadable: bool = option(
        False, "Name files that cannot be read, such as broken links, and send the others."
    )

    def batch(self) -> Batch:
        """Raises InvalidInputError, which names the option."""
        pairs = (name_and_value("--set", text) for text in self.set)
        shared: dict[str, JsonValue] = {name: json_or_text(value) for name, value in pairs}
        if self.field in shared:
            raise InvalidInputError(f"--set {self.field}", "is the field that files are sent in")
        # Who writes an option may name any file.
        inputs, _ = located(shared, Path(), below=Path("/"))
        return Batch(
            job=self.job,
            labels=dict(name_and_value("--label", text) for text in self.label),
            inputs=inputs,
            priority=self.priority,
            max_time_in_queue_seconds=self.max_time_in_queue,
            webhook_endpoint=self.webhook,
            max_attempts=self.max_attempts,
            initial_delay_ms=self.initial_delay_ms,
            max_delay_ms=self.max_delay_ms,
            stage=self.stage,
        )

    def reading(
        self,
        settings: ClientSettings,
        stdin: TextIO,
        *,
        skip: Callable[[str], None],
        foreign: ForeignObjects,
        on_wait: opening.OnWait,
    ) -> Reading:
        """`skip` is told of each file that is left out."""
        return Reading(
            field=self.field,
            base=self.base,
            columns=Columns(item=self.item_column, single_labels=tuple(self.label_column)),
            by_content=self.names is Names.CONTENT,
            stored=functools.partial(
                opening.stored_files,
                settings,
                field=self.field,
                foreign=foreign,
                on_wait=on_wait,
            ),
            stdin=stdin.buffer,
            skip=skip if self.skip_unreadable else None,
        )


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
            with answers.named(ForeignObjects(), as_json=arguments["as_json"]) as found:
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
