"""The help: plain text, so that any terminal and any pager shows it."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from typer.core import TyperCommand

from ..settings import Overrides

GROUPS = {
    "Documents in, results out": ("run", "submit", "resume", "wait", "fetch"),
    "How a job stands": ("status", "report", "jobs", "cancel", "retry"),
    "For those who go on from the results": ("index", "presign"),
    "For whoever runs it": ("doctor", "policy", "sweep"),
    "Without an account": ("serve", "webhook"),
}

START = """
To begin, without an account:

\b
  outbox serve . --bucket .outbox/bucket
      a stand-in for Baseten; prints what to export in another terminal
  outbox run data/examples/*.png --job first --to results/
      send, wait and fetch in one
  outbox report first
      the job on one page
"""

EXAMPLES = {
    "run": (
        "run scans/ --job march --to results/",
        "run scans/ --job march --to results/ --json >out.json 2>log.jsonl",
    ),
    "submit": (
        "submit scans/ --job march --label customer=7",
        "submit scan.pdf --job march --set pages=1-3 --priority 0",
        "submit scan.pdf --job march --set 'artifacts=[\"text.txt\"]'",
    ),
    "resume": ("resume march",),
    "wait": ("wait march", "wait march --timeout 600"),
    "fetch": ("fetch march --to results/",),
    "status": ("status march", "status march --json"),
    "report": ("report march", "report march --to march.html"),
    "jobs": ("jobs",),
    "cancel": ("cancel march", "cancel march scan-1.pdf"),
    "retry": ("retry march",),
    "index": ("index march",),
    "presign": ("presign march scan-1.pdf --expires 1h",),
    "doctor": ("doctor",),
    "policy": ("policy --for writer", "policy --for bucket"),
    "sweep": ("sweep --older-than 24h", "sweep --older-than 24h --delete"),
    "serve": ("serve . --bucket .outbox/bucket",),
}
"""Command lines after `outbox`; the tests parse each of them."""


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
