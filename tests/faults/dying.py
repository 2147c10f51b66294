"""A process that serves the request and ends at one of its store calls, as by kill -9."""

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.faults import scenario
from tests.faults.faulty_store import Call, FaultyStore, Mode
from tests.faults.places import Place
from tests.faults.scenario import MODEL_INPUT, tiny_outbox

_SECONDS = 60
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def exit_code(place: Place, call: Call, mode: Mode, *, temporary: Path) -> int | None:
    """Of a new process that serves the request; `KILLED` when it came to the call.

    Its work directory, which it has no time to remove, is left in `temporary`.
    """
    process = _context.Process(target=_serve, args=(scenario.answer, place, call, mode, temporary))
    process.start()
    process.join(_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
    code = process.exitcode
    process.close()
    return code


def _serve(
    answer: Callable[..., object], place: Place, call: Call, mode: Mode, temporary: Path
) -> None:
    tempfile.tempdir = str(temporary)
    answer(tiny_outbox(FaultyStore(place.open(), {call: mode})), MODEL_INPUT, "R")
