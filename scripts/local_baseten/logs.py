"""One readable line per event: time, level, message, request id, status."""

import json
import logging
import sys
import time
from dataclasses import dataclass
from typing import Self

from truss_outbox.contract.text import printable

model_logger = logging.getLogger("model")

_EXTRAS = ("request_id", "status", "attempt", "code")


class LineFormatter(logging.Formatter):
    """`12:34:56.789 INFO  accepted  request_id=…`, without colours, one line an event and its
    traceback, indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        source = "model: " if record.name == model_logger.name else ""
        values = vars(record)
        extras = "".join(f"  {name}={values[name]}" for name in _EXTRAS if name in values)
        line = (
            f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {source}{record.getMessage()}"
        )
        traceback = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        # A caller or a model may have chosen any of it: further lines are seen to be no events.
        lines = f"{line}{extras}{traceback}".split("\n")
        return "\n    ".join(printable(one, keep="\t") for one in lines)


def log_to_stderr() -> None:
    """Our own events and the model's; of the libraries, only warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in (__package__, model_logger.name):
        logging.getLogger(name).setLevel(logging.INFO)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelLine:
    """A line of the model's server, which writes JSON objects where it can."""

    level: int = logging.INFO
    message: str
    request_id: str | None = None
    is_structured: bool = True

    @classmethod
    def parse(cls, line: str) -> Self:
        try:
            fields = json.loads(line)
            text = "\n".join(
                str(fields[name]) for name in ("message", "exc_info") if name in fields
            )
            level = logging.getLevelNamesMapping()[fields["levelname"]]
            return cls(level=level, message=text, request_id=fields.get("request_id"))
        except (ValueError, TypeError, KeyError):
            return cls(message=line, is_structured=False)

    def log(self) -> None:
        extra = None if self.request_id is None else {"request_id": self.request_id}
        model_logger.log(self.level, "%s", self.message, extra=extra)
