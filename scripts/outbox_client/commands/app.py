"""The command `outbox`: its commands, loaded when they are asked for, what errors become, and the
process's streams."""

import atexit
import contextlib
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from .. import loading
from . import command_help, exit_codes

_COMMANDS = {
    "adopt": ("add", "new"),
    "doctor": ("doctor",),
    "fetch": ("fetch",),
    "follow": ("cancel", "follow", "index", "jobs", "report", "status", "wait"),
    "send": ("resume", "retry", "run", "submit", "wake"),
    "serve": ("serve",),
    "upkeep": ("delete", "policy", "presign", "sweep"),
    "webhook": ("webhook",),
}
HOMES = {name: home for home, names in _COMMANDS.items() for name in names}
"""The module of each command. Others are not imported: they would double the time to start."""


_WHEN_INTERRUPTED = {
    "fetch": "; fetch again to go on from there",
    **dict.fromkeys(
        ("resume", "retry", "run", "submit", "wait"),
        "; what was sent goes on, and `outbox wait` finds it",
    ),
}


class _Commands(Mapping[str, Any]):
    """The commands by name, as typer looks them up; `typer.Typer` would import all of them."""

    def __getitem__(self, name: str) -> Any:
        module = importlib.import_module(f".{HOMES[name]}", __package__)
        part = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        part.add_typer(module.app)
        command = typer.main.get_group(part).commands[name]
        loading.end()
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


class OutboxGroup(TyperGroup):
    """Turns errors into a line and an exit code; with OUTBOX_DEBUG=1 unexpected ones are raised."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing is added to it

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # typer's name
        command_help.write_commands(formatter)

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _told(lambda: None):
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _told(lambda: ctx.invoked_subcommand):
            return super().invoke(ctx)


@contextlib.contextmanager
def _told(command: Callable[[], str | None]) -> Iterator[None]:
    """Makes an exit code of an error, and a line on stderr; `command` tells which one runs."""
    try:
        yield
    except (typer.Exit, typer.Abort, TyperException):
        raise
    except KeyboardInterrupt as error:
        _print_error(f"interrupted{_WHEN_INTERRUPTED.get(command() or '', '')}")
        raise typer.Exit(exit_codes.INTERRUPTED) from error
    except BrokenPipeError as error:
        raise typer.Exit(0) from error  # the reader of our output has gone
    except Exception as error:
        code = exit_codes.exit_code(error)
        if code == exit_codes.INTERNAL and os.environ.get("OUTBOX_DEBUG"):
            raise
        _print_error(_sentence(error, code))
        raise typer.Exit(code) from error


def _sentence(error: Exception, code: int) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"the Python package {error.name} is not installed; the extras of truss-outbox are"
            " client, s3, gcs, local and webhooks, and in a checkout scripts/setup installs all"
        )
    if code == exit_codes.INTERNAL:
        return f"unexpected {type(error).__name__}; OUTBOX_DEBUG=1 shows where"
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


def _print_error(sentence: str) -> None:
    # `--help` need not load it.
    from truss_outbox.contract.text import printable  # noqa: PLC0415

    sys.stderr.write(f"outbox: {printable(sentence)}\n")


app = typer.Typer(
    cls=OutboxGroup,
    help="Send documents to your model; its results wait in your own bucket.\n"
    + command_help.START,
    epilog=exit_codes.EXPLANATION,
    no_args_is_help=True,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def outbox(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415  # 0.03 seconds

        typer.echo(f"outbox {installed('truss-outbox')}")
        raise typer.Exit


def _interrupt(*_: object) -> None:
    # `--help` need not load it.
    from ..threads import interrupt  # noqa: PLC0415

    interrupt()


def run() -> None:
    signal.signal(signal.SIGINT, _interrupt)
    # Arrow's own allocator keeps what each thread once needed: a hundred megabytes of a large
    # index.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    prepare_streams()
    try:
        app()
    except SystemExit as end:
        _end(end)


def _end(end: SystemExit) -> None:
    """Without taking everything apart, one object after the other, which takes 0.07 seconds."""
    if not isinstance(end.code, int | None) or threading.active_count() > 1:
        raise end
    atexit._run_exitfuncs()  # noqa: SLF001  # temporary files go
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(end.code or 0)


def prepare_streams() -> None:
    """Each is there, and one that fails ends no command in a traceback.

    A stream that was closed is /dev/null: else the next file or socket would take its number.

    When stdout fails, BrokenPipeError or TargetError is raised, this once, and it is /dev/null from
    then on, so that nothing fails at the end of the process. When stderr fails, nobody is told.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout = _text(_Stdout(1), sys.stdout)
    sys.stderr = _text(_Stderr(2), sys.stderr)


def _text(raw: io.FileIO, was: TextIO | None) -> io.TextIOWrapper:
    """With what the terminal cannot show escaped."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=None if was is None else was.encoding,
        errors="backslashreplace",
        line_buffering=True if isinstance(raw, _Stderr) else raw.isatty(),
    )


class _Stdout(io.FileIO):
    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise  # its reader has gone, which is nobody's fault
            from ..errors import TargetError  # noqa: PLC0415  # as above

            raise TargetError(f"stdout: {error.strerror}") from error


class _Stderr(io.FileIO):
    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data))
