"""Spark: a master that is named, or one in this process for as long as it takes."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from truss_outbox.contract.errors import ConfigurationError

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 4
"""Of a task whose worker was killed; as many as a cluster makes."""


@contextlib.contextmanager
def on_spark(address: str | None, *, workers: int | None = None) -> "Iterator[SparkEngine]":
    """The master at `address`, such as spark://host:7077, yarn or k8s://…, or one here.

    Where the program has a session, that is taken, and stays. Raises ConfigurationError.
    """
    there = SparkSession.getActiveSession()
    session = there or _started(address, workers)
    try:
        yield SparkEngine(session)
    finally:
        if there is None:
            session.stop()


def _started(address: str | None, workers: int | None) -> Any:
    builder = SparkSession.builder.appName("outbox")
    if address:
        builder = builder.master(address)
    else:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        # Nobody else's business.
        for name in ("spark.driver.host", "spark.driver.bindAddress"):
            builder = builder.config(name, "127.0.0.1")
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.master(f"local[{workers or '*'},{_TRIES}]")
    try:
        session = builder.getOrCreate()
    except PySparkException as error:
        raise ConfigurationError(
            "engine", "Spark does not start: it needs Java, and JAVA_HOME where it is not found"
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


class SparkEngine:
    """A `WorkerEngine`. Results come together, at the end: Spark has its own account meanwhile."""

    def __init__(self, session: Any) -> None:
        self._context = session.sparkContext
        self.workers: int = self._context.defaultParallelism

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        if items:
            yield from self._context.parallelize(items, len(items)).map(function).collect()
