"""A service that takes every request, and none of them ends: what a submit takes is the sender's.

`python -m scripts.bench.scale.synthetic_service --latency 0.02` prints its address. As the service,
it takes 200 submits in any second and refuses the others. `/-/submits` tells when those that it
took came, in seconds after the first, and how many it refused; DELETE forgets them.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .connection import OWN, Answer, Link, Request, Wire
from .serving import answer_json, ask, run_server, running_server

_SUBMITS_PER_SECOND = 200
_IDS = {"model_id": "m", "deployment_id": "d"}
_TIME = "2026-01-01T00:00:00Z"


class SyntheticService:
    def __init__(self) -> None:
        self._taken = list[float]()
        self._all = 1  # one of another's: a service with nothing to do is asked about every request
        self._refused = 0

    def answer(self, request: Request) -> Answer:
        if request.path.startswith(OWN):
            if request.method == "DELETE":
                self._taken, self._refused = [], 0
            return answer_json(self._counted())
        if request.method == "POST":
            return self._submit()
        if request.path.endswith("/async_queue_status"):
            counts = {"num_queued_requests": self._all, "num_in_progress_requests": 0}
            return answer_json(_IDS | counts)
        times = {"created_at": _TIME, "status_at": _TIME, "errors": []}
        about = {"request_id": request.path.rpartition("/")[2], "status": "QUEUED"}
        return answer_json(_IDS | about | times | {"webhook_status": "NO_WEBHOOK_PROVIDED"})

    def _submit(self) -> Answer:
        now = time.monotonic()
        earlier = self._taken[-_SUBMITS_PER_SECOND:]
        if len(earlier) == _SUBMITS_PER_SECOND and now - earlier[0] < 1:
            self._refused += 1
            return answer_json({"error": "too many requests"}, status=429)
        self._taken.append(now)
        self._all += 1
        return answer_json({"request_id": f"s-{self._all:07}"}, status=201)

    def _counted(self) -> dict[str, Any]:
        first = self._taken[0] if self._taken else 0.0
        taken = [round(moment - first, 4) for moment in self._taken]
        return {"taken": taken, "refused": self._refused}


@dataclass(frozen=True, slots=True)
class Submits:
    """Those that a service took: seconds after the first."""

    taken: Sequence[float]
    refused: int

    def rate(self, seconds: float) -> float:
        """In a second, of so many after the first."""
        return sum(moment <= seconds for moment in self.taken) / seconds

    def longest_gap(self, seconds: float) -> float:
        taken = [moment for moment in self.taken if moment <= seconds] + [seconds]
        return max(second - first for first, second in itertools.pairwise(taken))


@dataclass(frozen=True, slots=True)
class RunningService:
    base_url: str

    def submits(self) -> Submits:
        return Submits(**json.loads(ask("GET", f"{self.base_url}{OWN}submits")))

    def reset(self) -> None:
        ask("DELETE", f"{self.base_url}{OWN}submits")


@contextmanager
def running_service(*arguments: str) -> Iterator[RunningService]:
    """In a process of its own, which ends with the block or with this one."""
    with running_server(__name__, *arguments) as address:
        yield RunningService(address)


def _wire(arguments: Sequence[str]) -> Wire:
    parser = argparse.ArgumentParser(prog="synthetic_service", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of every call")
    latency = parser.parse_args(arguments).latency
    answer = SyntheticService().answer
    return Wire(answer=answer, latency_seconds=latency, up=Link(0), down=Link(0))


if __name__ == "__main__":
    run_server(_wire(sys.argv[1:]))
