"""The help: plain text, so that any terminal and any pager shows it."""

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand

GROUPS = {
    "Documents in, results out": {
        "run": "Submit, wait and fetch, all at the same time.",
        "submit": "Send documents.",
        "resume": "Send what is left of a job that was stopped, killed or cut off.",
        "wait": "Wait until the end of every item of the job is known.",
        "fetch": "Bring the job's results here, verified.",
        "wake": "Ask a deployment that has scaled to zero to start, before its requests come.",
    },
    "The state of a job": {
        "status": "Show counts, rate, time left, the queue, and failures by their codes.",
        "report": "Write the job's report: one HTML page that opens without a network.",
        "jobs": "List the jobs submitted from this machine.",
        "cancel": "Cancel what is planned or queued; what runs already goes on.",
        "retry": "Send again what failed and may succeed now; or the given items, whatever their"
        " reason.",
    },
    "Results for other programs": {
        "index": "Add the job's new results to Parquet files in the bucket, one row each.",
        "follow": "Tell of each result and failure once, as a queue hears of it from the bucket.",
        "presign": "Print links to the artifacts of results; a link needs no credentials.",
    },
    "The library in a Truss": {
        "add": "Put the library into a Truss that is there, and say which line its model needs.",
        "new": "Make a Truss that stores its results, to put your own inference in.",
    },
    "Setting up and keeping a bucket": {
        "doctor": "Look at key, model, bucket, clock and settings; one line each, with the remedy"
        " in it.",
        "policy": "Print the least that a side needs, as JSON in the form of the bucket's cloud.",
        "delete": "Delete a job's results, or some of them, and all that belongs to them.",
        "sweep": "Find artifacts that no manifest names, unfinished uploads, and what trials left"
        " behind.",
    },
    "Without an account": {
        "serve": "Run a stand-in for Baseten on this machine, in front of the real Truss server.",
        "webhook": "Receive webhooks; sign the stand-in's.",
    },
}
"""The commands with their first sentences, so that listing them imports none; a test compares."""

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
    "wake": ("wake --model-id abc123", "wake --model-id abc123 --deployment w5d4x9q"),
    "wait": ("wait march", "wait march --timeout 600"),
    "fetch": ("fetch march --to results/", "fetch march --to results/ --keys-from keys.txt"),
    "status": ("status march", "status march --json"),
    "report": ("report march", "report march --to march.html"),
    "jobs": ("jobs",),
    "cancel": ("cancel march", "cancel march scan-1.pdf"),
    "retry": ("retry march",),
    "index": (
        "index march",
        "index --queue 'sqs://outbox-events?region=eu-central-1'",
        "index march --engine ray --address ray://head:10001",
    ),
    "follow": (
        "follow --queue sqs://outbox-events",
        "follow --queue pubsub://my-project/outbox-events --idle 60 --json",
    ),
    "presign": ("presign march scan-1.pdf --expires 1h",),
    "add": (
        "add my-truss --root s3://your-bucket/outbox",
        "add my-truss --check",
    ),
    "new": ("new my-truss --root s3://your-bucket/outbox",),
    "doctor": ("doctor", "doctor --send --model-id abc123", "doctor --send --json > doctor.json"),
    "policy": ("policy --for writer", "policy --for bucket"),
    "delete": ("delete march", "delete march --delete", "delete march --older-than 30d --delete"),
    "sweep": ("sweep --older-than 24h", "sweep --older-than 24h --delete"),
    "serve": ("serve . --bucket .outbox/bucket", "serve my-truss --reload --secrets secrets.yaml"),
}
"""Command lines after `outbox`; the tests parse each of them."""


CONNECTION = "Where to; else OUTBOX_… in the environment, else config.yaml"
"""The help's last section of options: those that most commands share."""


class Command(TyperCommand):
    """Its own options first, then those that most commands share, then examples."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[Any]] = {"Arguments": [], "Options": [], CONNECTION: []}
        for one in self.get_params(ctx):
            title = "Arguments" if one.param_type_name == "argument" else "Options"
            sections[getattr(one, "rich_help_panel", None) or title].append(one)
        for title, group in sections.items():
            _write_rows(formatter, title, (one.get_help_record(ctx) for one in group))
        if examples := EXAMPLES.get(self.name or ""):
            with formatter.section("Examples"):
                for example in examples:
                    formatter.write(f"{'':{formatter.current_indent}}outbox {example}\n")


def write_commands(formatter: Any) -> None:
    """Every command under its group, with its first sentence."""
    for title, commands in GROUPS.items():
        _write_rows(formatter, title, commands.items())


def _write_rows(formatter: Any, title: str, rows: Iterable[tuple[str, str] | None]) -> None:
    if there := [row for row in rows if row is not None]:
        with formatter.section(title):
            formatter.write_dl(there)
