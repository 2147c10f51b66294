"""How the commands fail: one line on stderr and an exit code, never a traceback."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from model.artifacts.errors import OutboxError
from scripts.client.command_help import write_commands
from scripts.client.exit_codes import INTERNAL, INTERRUPTED, exit_code
from scripts.client.rendering import printable


class CommandGroup(TyperGroup):
    """Turns errors into exit codes; OUTBOX_DEBUG=1 lets the unexpected ones through."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # typer's name
        write_commands(formatter, dict(self.commands))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OutboxError as error:
            _say("; ".join([str(error), *getattr(error, "__notes__", ())]))
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt as error:
            _say("interrupted; what was sent goes on, and `outbox wait` finds it")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            # Whoever read our output has gone: say nothing more, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from error
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if os.environ.get("OUTBOX_DEBUG") or isinstance(error, TyperException):
                raise
            _say(f"unexpected {type(error).__name__}; OUTBOX_DEBUG=1 shows where")
            raise typer.Exit(INTERNAL) from error


def _say(sentence: str) -> None:
    sys.stderr.write(f"outbox: {printable(sentence)}\n")
