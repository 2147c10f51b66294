"""The options of what sends: what its requests share, and how their sources are read."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from pydantic import JsonValue

from truss_outbox.contract.errors import InvalidInputError

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..settings import ClientSettings, option
from ..sources.files import Reading
from ..sources.items import FIELD, Batch
from ..sources.references import located
from ..sources.tables import Columns, json_or_text
from .options import name_and_value


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
