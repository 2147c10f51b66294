"""Progress as lines: for a log or a dumb terminal, and as JSON for a program."""

import contextlib
import json
from typing import Protocol, TextIO

from ...progress import Event
from .tally import Tally
from .words import left_out, problem_document, problem_line, progress_document, summary

_OFTEN_SECONDS, _SELDOM_SECONDS = 5.0, 30.0
_FIRST_LINE_SECONDS = 1.0
_FIRST_MINUTE_SECONDS = 60.0
_JSON_SECONDS = 1.0


class Form(Protocol):
    """How lines say it."""

    def summary(self, tally: Tally) -> str: ...
    def told(self, event: Event) -> str: ...
    def last(self, tally: Tally) -> list[str]: ...
    def pause_seconds(self, elapsed: float, /) -> float: ...


class Lines:
    """Now and then a line that sums up, and one for each of the first problems of a kind."""

    def __init__(self, tally: Tally, stream: TextIO, form: Form) -> None:
        self._tally = tally
        self._stream = stream
        self._form = form
        self._next = _FIRST_LINE_SECONDS

    def tell(self, event: Event) -> None:
        self._say(self._form.told(event))

    def tick(self) -> None:
        if self._tally.steps and self._tally.seconds >= self._next:
            self._say(self._form.summary(self._tally))
            self._next = self._tally.seconds + self._form.pause_seconds(self._tally.seconds)

    def close(self) -> None:
        if any(step.done for step in self._tally.steps.values()):
            for line in self._form.last(self._tally):
                self._say(line)

    def _say(self, line: str) -> None:
        # Whoever read it may have gone: no reason to stop the work.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()


class AsText:
    """For a log, and a terminal that cannot move its cursor."""

    def summary(self, tally: Tally) -> str:
        return summary(tally)

    def told(self, event: Event) -> str:
        return problem_line(event)

    def last(self, tally: Tally) -> list[str]:
        return [*left_out(tally), summary(tally)]

    def pause_seconds(self, elapsed: float, /) -> float:
        return _OFTEN_SECONDS if elapsed < _FIRST_MINUTE_SECONDS else _SELDOM_SECONDS


class AsJson:
    """For a program: objects whose `event` is `progress`, `problem` or `note`."""

    def summary(self, tally: Tally) -> str:
        return json.dumps(progress_document(tally))

    def told(self, event: Event) -> str:
        return json.dumps(problem_document(event))

    def last(self, tally: Tally) -> list[str]:
        return [self.summary(tally)]

    def pause_seconds(self, _elapsed: float, /) -> float:
        return _JSON_SECONDS
