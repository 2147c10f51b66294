"""Counting what goes over the wire."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def requests_sent() -> Iterator[list[str]]:
    """The methods of the requests sent meanwhile by any boto3 client, repetitions too."""
    methods: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and len(record.args) == 8:
                methods.append(str(record.args[3]))

    logger, listener = logging.getLogger("urllib3.connectionpool"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        yield methods
    finally:
        logger.setLevel(level)
        logger.removeHandler(listener)
