"""Options that several commands share: a parameter that is a dataclass becomes its fields."""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer

from truss_outbox.contract.errors import InvalidInputError

from ..bucket.open_bucket import open_bucket
from ..fetching.layout import FLAT, FOLDERS, Layout, Selection
from ..settings import Settings
from ..sources.batch import Batch
from ..sources.files import Reading
from ..sources.items import Item
from ..sources.stored import stored_items
from ..sources.tables import Columns, json_or_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """What `submit` and `run` say about a job."""

    job: str = field(metadata={"help": "The job's name."})
    label: list[str] = field(
        default_factory=list, metadata={"metavar": "NAME=VALUE", "help": "Repeatable."}
    )
    set: list[str] = field(
        default_factory=list,
        metadata={
            "metavar": "NAME=JSON",
            "help": "A further field of the model's input, such as pages. Repeatable.",
        },
    )
    priority: int | None = field(
        default=None, metadata={"min": 0, "max": 2, "help": "0 goes first."}
    )
    max_time_in_queue: int | None = field(
        default=None,
        metadata={"min": 10, "max": 259_200, "help": "Seconds; then a request expires."},
    )

    def batch(self) -> Batch:
        """Raises InvalidInputError, which names the option."""
        inputs = (_pair("--set", text) for text in self.set)
        return Batch(
            job=self.job,
            labels=dict(_pair("--label", text) for text in self.label),
            inputs={name: json_or_text(value) for name, value in inputs},
            priority=self.priority,
            max_time_in_queue_seconds=self.max_time_in_queue,
        )


class Names(StrEnum):
    """What a file is called as an item."""

    PATH = "path"
    CONTENT = "content"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceOptions:
    """How `submit` reads its sources."""

    names: Names = field(
        default=Names.PATH,
        metadata={"help": "Call files by their path, or by their content's SHA-256."},
    )
    item_column: str = field(
        default="item", metadata={"metavar": "NAME", "help": "In a table, the items' names."}
    )
    label_column: list[str] = field(
        default_factory=list,
        metadata={
            "metavar": "NAME",
            "help": "In a table, a label, beside those in its object `labels`. Repeatable.",
        },
    )

    def reading(self, settings: Settings, stdin: TextIO) -> Reading:
        def stored(address: str) -> Iterator[Item]:
            return stored_items(
                address,
                root=settings.require_root(),
                input_roots=settings.input_roots,
                open_root=functools.partial(
                    open_bucket, endpoint_url=settings.endpoint_url, region=settings.region
                ),
            )

        return Reading(
            columns=Columns(item=self.item_column, single_labels=tuple(self.label_column)),
            by_content=self.names is Names.CONTENT,
            stored=stored,
            stdin=stdin.buffer,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetching:
    """What `fetch` says about the files it wants."""

    only: list[str] = field(
        default_factory=list,
        metadata={
            "metavar": "NAME",
            "help": "Artifacts, such as text.txt or 'pages/*'; manifest.json counts. Repeatable.",
        },
    )
    include: list[str] = field(
        default_factory=list,
        metadata={"metavar": "GLOB", "help": "Items to fetch, such as 'scans/*'. Repeatable."},
    )
    exclude: list[str] = field(
        default_factory=list, metadata={"metavar": "GLOB", "help": "Items to leave. Repeatable."}
    )
    flat: bool = field(
        default=False, metadata={"help": "No folders: ITEM.ARTIFACT, all side by side."}
    )
    output_template: str | None = field(
        default=None,
        metadata={
            "metavar": "PATH",
            "help": "Below --to, such as '{labels.team}/{item}/{artifact}'; also {key} {job}"
            " {request_id} {model} {environment}.",
        },
    )

    def selection(self) -> Selection:
        """Raises InvalidInputError, which names the option."""
        if self.flat and self.output_template is not None:
            raise InvalidInputError("--flat", "and --output-template exclude each other")
        layout = FLAT if self.flat else FOLDERS
        if self.output_template is not None:
            layout = Layout.parse(self.output_template)
        return Selection(only=self.only, include=self.include, exclude=self.exclude, layout=layout)


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """For typer, the command with the fields of its dataclass parameters as options.

    A field's `metadata` goes to `typer.Option`: help, metavar, min, max.
    """
    own = inspect.signature(command).parameters
    groups: dict[str, Any] = {
        name: p.annotation for name, p in own.items() if is_dataclass(p.annotation)
    }

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        for name, group in groups.items():
            values = {one.name: arguments.pop(one.name) for one in fields(group)}
            arguments[name] = group(**values)
        command(**arguments)

    wrapped.__signature__ = inspect.Signature(list(_parameters(own)))  # type: ignore[attr-defined]
    return wrapped


def _parameters(own: Mapping[str, inspect.Parameter]) -> Iterator[inspect.Parameter]:
    for parameter in own.values():
        if is_dataclass(parameter.annotation):
            yield from (_option(one) for one in fields(parameter.annotation))
        else:
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _option(one: Field[Any]) -> inspect.Parameter:
    option = typer.Option(f"--{one.name.replace('_', '-')}", **one.metadata)
    default = [] if one.default_factory is not MISSING else one.default
    return inspect.Parameter(
        one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[one.type, option],
    )


def _pair(option: str, text: str) -> tuple[str, str]:
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
