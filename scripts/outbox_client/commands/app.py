"""The command `outbox`, put together out of its parts."""

import gc
import importlib.metadata
import logging
import sys
from typing import Annotated

import typer

from . import command_help, exit_codes, follow, results, run, send, serve, upkeep, webhook
from .exit_codes import CommandGroup

app = typer.Typer(
    cls=CommandGroup,
    help="Send documents to your model; its results wait in your own bucket.\n"
    + command_help.START,
    epilog=exit_codes.EXPLANATION,
    no_args_is_help=True,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (send, run, follow, results, serve, upkeep):
    for command in part.app.registered_commands:
        command.cls = command_help.Command
    app.add_typer(part.app)
app.add_typer(webhook.app, name="webhook")


@app.callback()
def outbox(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"outbox {importlib.metadata.version('truss-outbox')}")
        raise typer.Exit


def main() -> None:
    # What is loaded stays: going through it again, and at the end, takes 0.05 seconds.
    gc.freeze()
    # A repetition is not worth a line; what fails for good comes as an error.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app()
