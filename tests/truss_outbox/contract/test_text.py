"""Text that somebody else chose."""

from truss_outbox.contract.errors import InvalidInputError, KeyConflictError
from truss_outbox.contract.text import printable


def test_what_moves_a_cursor_is_escaped():
    assert printable("a\x1b[2J\u202e\n日") == "a\\x1b[2J\\u202e\\n日"
    assert printable("a\tb\rc\n", keep="\n\t") == "a\tb\\rc\n"
    assert printable("half \ud800") == "half \\ud800"


def test_errors_are_printable_whatever_they_name():
    for error in (InvalidInputError("a\x1b", "b\u202e"), KeyConflictError("k", request_id="\r\n")):
        assert str(error).isprintable()
