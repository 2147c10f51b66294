"""One readable line per event: time, level, message, request id, status."""

import functools
import logging
import sys
import time

from truss_outbox.contract.text import printable

model_logger = logging.getLogger("model")

_EXTRAS = ("request_id", "status", "attempt", "code")


@functools.lru_cache(maxsize=1)
def _clock(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


class LineFormatter(logging.Formatter):
    """`12:34:56.789 INFO  accepted  request_id=…`, without colours, one line an event; what else
    it has to say, such as a traceback, follows indented.

    A record's `extras` are what the model logged beside its message.
    """

    def format(self, record: logging.LogRecord) -> str:
        clock = _clock(int(record.created))
        source = "model: " if record.name == model_logger.name else ""
        values = vars(record)
        named = {name: values[name] for name in _EXTRAS if name in values}
        extras = "".join(
            f"  {name}={value}" for name, value in (named | values.get("extras", {})).items()
        )
        message, newline, rest = record.getMessage().partition("\n")
        line = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {source}{message}{extras}"
        traceback = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        # A caller or a model may have chosen any of it: further lines are seen to be no events.
        lines = f"{line}{newline}{rest}{traceback}".split("\n")
        return "\n    ".join(printable(one, keep="\t") for one in lines)


def log_to_stderr() -> None:
    """Our own events and the model's; of the libraries, only warnings.

    What no line shows is not looked up for each: docs.python.org/3/howto/logging.html#optimization
    """
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in (__package__, model_logger.name):
        logging.getLogger(name).setLevel(logging.INFO)
