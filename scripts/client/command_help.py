"""The help: plain text, so that any terminal and any pager shows it."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from typer.core import TyperCommand

from scripts.client.guide import EXAMPLES, GROUPS
from scripts.client.settings import Overrides

_WHOLE_SENTENCE = 200
_CONNECTION = {one.name for one in fields(Overrides)}


class Command(TyperCommand):
    """Its own options first, then those that most commands share, then examples."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        parameters = self.get_params(ctx)
        names = {parameter.name for parameter in parameters}
        shared = _CONNECTION if names >= _CONNECTION else set()
        arguments = [one for one in parameters if one.param_type_name == "argument"]
        options = [one for one in parameters if one.param_type_name == "option"]
        own = [one for one in options if one.name not in shared]
        connection = [one for one in options if one.name in shared]
        for title, group in {
            "Arguments": arguments,
            "Options": own,
            "Where to; else OUTBOX_… in the environment, else config.yaml": connection,
        }.items():
            _write_rows(formatter, title, (one.get_help_record(ctx) for one in group))
        if examples := EXAMPLES.get(self.name or ""):
            with formatter.section("Examples"):
                for example in examples:
                    formatter.write(f"{'':{formatter.current_indent}}outbox {example}\n")


def write_commands(formatter: Any, commands: dict[str, Any]) -> None:
    """Every command under its group, with its first sentence."""
    listed = {name for group in GROUPS.values() for name in group}
    others = tuple(name for name in commands if name not in listed)
    for title, names in (GROUPS | {"Others": others}).items():
        rows = [
            (name, commands[name].get_short_help_str(_WHOLE_SENTENCE))
            for name in names
            if name in commands and not commands[name].hidden
        ]
        _write_rows(formatter, title, rows)


def _write_rows(formatter: Any, title: str, rows: Iterable[tuple[str, str] | None]) -> None:
    if there := [row for row in rows if row is not None]:
        with formatter.section(title):
            formatter.write_dl(there)
