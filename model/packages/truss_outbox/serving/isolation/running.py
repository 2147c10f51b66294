"""`run_isolated`: a function that reads what anybody may send, where it can do no harm."""

import inspect
import pickle
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ...contract.errors import AbandonedError, InvalidInputError
from ..deadlines import current_abandonment
from .messages import NEXT, STOP, Call
from .workers import WORKERS, WorkerEndedError, WorkerError, WorkerProcess, import_path

_STOP_SECONDS = 5.0


def run_isolated(
    function: Callable[..., Any],
    *arguments: Any,
    field: str = "model_input",
    seconds: float = 60,
    step_seconds: float | None = None,
    memory_bytes: int = 1 << 30,
    file_bytes: int = 1 << 30,
) -> Any:
    """What the function returns, computed in a process of its own that is ready and used again.

    It is one of a module that can be imported; its arguments are whatever can be pickled; what it
    gives are JSON's values, tuples, bytes, and `pickle.PickleBuffer` around an array (it arrives as
    a bytearray). A generator's values come one by one: close what this returns then, or exhaust it.

    `seconds` are for all of it, also what is done between two values; `step_seconds` for what comes
    before each value. `memory_bytes` are beside what was imported, `file_bytes` for each file that
    it writes. It has no network, no secrets of the environment, and leaves no core dump.

    Raises InvalidInputError, naming `field`, where the function does, where a bound is reached, and
    where the process dies; WorkerError, whose text is for the log, where the function raises
    anything else; AbandonedError where nobody waits any more.
    """
    bounds = _Bounds(
        field=field,
        seconds=seconds,
        step_seconds=min(seconds, step_seconds or seconds),
        memory_bytes=memory_bytes,
        file_bytes=file_bytes,
    )
    values = _values(function, arguments, bounds)
    if inspect.isgeneratorfunction(function):
        return values
    with closing(values):
        return next(values)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bounds:
    field: str
    seconds: float
    step_seconds: float
    memory_bytes: int
    file_bytes: int

    def refused(self, problem: str) -> InvalidInputError:
        return InvalidInputError(self.field, problem)


def _values(
    function: Callable[..., Any], arguments: tuple[Any, ...], bounds: _Bounds
) -> Generator[Any, None, None]:
    call = Call(
        pickled=pickle.dumps((function, arguments)),
        path=import_path(),
        step_seconds=bounds.step_seconds,
        memory_bytes=bounds.memory_bytes,
        file_bytes=bounds.file_bytes,
    )
    worker = WORKERS.take(function, call)
    is_sound = False
    try:
        deadline = time.monotonic() + bounds.seconds
        while (given := _next(worker, deadline, bounds))[0] == "value":
            yield given[1]
        is_sound = given[0] in {"end", "refused", "raised"}
        _check(given, bounds)
    except GeneratorExit:
        is_sound = _is_stopped(worker)
        raise
    finally:
        if is_sound:
            WORKERS.give_back(worker)
        else:
            WORKERS.replace(worker, function, call)


def _next(worker: WorkerProcess, deadline: float, bounds: _Bounds) -> tuple[Any, ...]:
    abandonment = current_abandonment()
    left = deadline - time.monotonic()
    try:
        with abandonment.then(worker.kill):
            return worker.tell(NEXT, seconds=min(left, bounds.step_seconds))
    except WorkerEndedError as error:
        if abandonment.has_happened:
            raise AbandonedError from None
        raise bounds.refused(
            f"made the process that reads it end ({error.how}): it is damaged, or needs too much;"
            " save it again, or send it smaller"
        ) from None
    except TimeoutError:
        if left > bounds.step_seconds:
            problem = f"one part of it takes longer than {bounds.step_seconds:g} s to read"
        else:
            problem = f"takes longer than {bounds.seconds:g} s to read"
        raise bounds.refused(f"{problem}; send it simpler, or in parts") from None


def _check(given: tuple[Any, ...], bounds: _Bounds) -> None:
    kind, *details = given
    match kind:
        case "end":
            return
        case "refused":
            field, problem = map(str, details)
            raise InvalidInputError(field, problem)
        case "memory":
            problem = f"takes more than {bounds.memory_bytes >> 20} MiB of memory to read"
            raise bounds.refused(f"{problem}; send it smaller, or in parts")
        case "file":
            problem = f"becomes a file of more than {bounds.file_bytes >> 20} MiB when it is read"
            raise bounds.refused(f"{problem}; send it smaller, or in parts")
        case _:
            raise WorkerError(*details)


def _is_stopped(worker: WorkerProcess) -> bool:
    try:
        return worker.tell(STOP, seconds=_STOP_SECONDS) == ("end",)
    except (TimeoutError, WorkerEndedError, WorkerError):
        return False
