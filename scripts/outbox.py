"""The companion script: one command line out of the parts in `scripts.commands`."""

import gc
import importlib.metadata
import logging
import sys
from typing import Annotated

import typer

from scripts.client import exit_codes, guide
from scripts.client.command_group import CommandGroup
from scripts.client.command_help import Command
from scripts.commands import following, report, results, running, sending, serving, upkeep, webhooks

app = typer.Typer(
    cls=CommandGroup,
    help=f"Send documents to your model; its results wait in your own bucket.\n{guide.START}",
    epilog=exit_codes.EXPLANATION,
    no_args_is_help=True,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (sending, running, following, results, report, serving, upkeep):
    for command in part.app.registered_commands:
        command.cls = Command
    app.add_typer(part.app)
app.add_typer(webhooks.app, name="webhook")


@app.callback()
def outbox(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"outbox {importlib.metadata.version('outbox')}")
        raise typer.Exit


def main() -> None:
    # What is loaded stays: going through it again, and at the end, takes 0.05 seconds.
    gc.freeze()
    # A repetition is not worth a line; what fails for good comes as an error.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app()


if __name__ == "__main__":
    main()
