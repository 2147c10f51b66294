"""What the commands' exit codes mean."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from truss_outbox.contract.errors import (
    ConfigurationError,
    InvalidInputError,
    OutboxError,
    StoreError,
)

from ..errors import (
    JournalError,
    SendingStoppedError,
    ServiceError,
    TargetError,
    UnknownJobError,
    WaitTimeoutError,
)
from ..text import printable
from .command_help import write_commands

OK = 0
SOME_FAILED = 1
BAD_INPUT = 2
NOT_POSSIBLE = 3
TIMED_OUT = 4
INTERNAL = 70
INTERRUPTED = 130

EXPLANATION = """
\b
Exit codes:
  0 all well
  1 some results failed, expired, were canceled or did not verify,
    or doctor found something wrong
  2 usage or bad input, nothing was sent
  3 configuration, credentials, disk, service or bucket unusable
  4 waiting timed out
  70 a fault of Outbox itself
  130 interrupted
"""


def exit_code(error: OutboxError) -> int:
    match error:
        case WaitTimeoutError():
            return TIMED_OUT
        case SendingStoppedError():
            return INTERRUPTED
        case InvalidInputError() | UnknownJobError():
            return BAD_INPUT
        case ConfigurationError() | ServiceError() | StoreError() | JournalError() | TargetError():
            return NOT_POSSIBLE
        case _:
            return SOME_FAILED


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
            code, sentence = _unexpected(error)
            _say(sentence)
            raise typer.Exit(code) from error


def _unexpected(error: Exception) -> tuple[int, str]:
    if isinstance(error, ModuleNotFoundError):
        return NOT_POSSIBLE, (
            f"the Python package {error.name} is not installed; the extras of truss-outbox are"
            " client, s3, gcs, local and webhooks, and in a checkout scripts/setup installs all"
        )
    return INTERNAL, f"unexpected {type(error).__name__}; OUTBOX_DEBUG=1 shows where"


def _say(sentence: str) -> None:
    sys.stderr.write(f"outbox: {printable(sentence)}\n")
