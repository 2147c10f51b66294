"""The stand-in's lines on a terminal."""

import logging

from local_baseten.logs import LineFormatter

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


def test_what_was_logged_beside_a_message_stands_on_its_line():
    (first, *others) = formatted("short\nlong", request_id="r", extras={"page": 3, "file": "a.pdf"})
    assert first.endswith("short  request_id=r  page=3  file=a.pdf")
    assert others == ["    long"]
