"""Ray: a cluster that is named, or one on this machine for as long as it takes."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import ray

from truss_outbox.contract.errors import ConfigurationError

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 3
"""More of a task whose worker was killed."""


@contextlib.contextmanager
def on_ray(address: str | None, *, workers: int | None = None) -> "Iterator[RayEngine]":
    """The cluster at `address`, or at RAY_ADDRESS, or one here with `workers` of them.

    Where the program has connected itself, its cluster stays. Raises ConfigurationError.
    """
    is_own = not ray.is_initialized()
    if is_own:
        _start(address or os.environ.get("RAY_ADDRESS"), workers)
    try:
        yield RayEngine(workers or int(ray.cluster_resources().get("CPU", 1)))
    finally:
        if is_own:
            ray.shutdown()


def _start(address: str | None, workers: int | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address:
            ray.init(address=address, log_to_driver=False, logging_level="WARNING")
        else:
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="WARNING",
                _node_ip_address="127.0.0.1",  # nobody else's business
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            "address", f"no Ray cluster answers there ({type(error).__name__})"
        ) from error


class RayEngine:
    """A `WorkerEngine`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        task = ray.remote(max_retries=_TRIES)(function)
        pending = [task.remote(item) for item in items]
        try:
            while pending:
                done, pending = ray.wait(pending)
                yield from ray.get(done)
        finally:
            for one in pending:
                ray.cancel(one)
