"""The stand-in's lines on a terminal."""

import json
import logging

from local_baseten.logs import LineFormatter, ModelLine

ODD = "\x1b[2J\u202e\r\n12:00:00.000 ERROR forged"


def formatted(message, **extra):
    record = logging.makeLogRecord({"levelname": "INFO", "msg": message, **extra})
    return LineFormatter().format(record).split("\n")


def test_what_callers_and_models_chose_is_escaped_and_forges_no_line():
    (first, *others) = formatted(f"refused: {ODD}", request_id=ODD)
    for line in (first, *others):
        assert line.isprintable()
    assert others
    assert all(line.startswith("    ") for line in others)


def test_a_models_traceback_stays_readable(caplog):
    caplog.set_level(logging.INFO, logger="model")
    fields = {"levelname": "ERROR", "message": "failed", "exc_info": "Traceback:\n  line 1\nE: x"}
    ModelLine.parse(json.dumps(fields)).log()
    assert LineFormatter().format(caplog.records[0]).split("\n")[1:] == [
        *("    Traceback:", "      line 1", "    E: x")
    ]
