"""Tables as spreadsheets and Windows write them."""

import io

import pytest

from outbox_client import Reading, find_items
from truss_outbox.contract.errors import InvalidInputError

JSON_LINES = '{"item": "日", "text": "é"}\n{"item": "b", "text": "c"}\n'
CSV = 'item,text\n日,é\n"b","c"\n'
MARKED = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


def texts(path, **reading):
    found = find_items([path], Reading(**reading))
    return {item.name: item.inputs["text"] for item in found}


@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize(("name", "text"), [("x.jsonl", JSON_LINES), ("x.csv", CSV)])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_says_how_a_table_is_encoded(tmp_path, name, text, encoding, end):
    (tmp_path / name).write_bytes(text.replace("\n", end).encode(encoding))
    assert texts(tmp_path / name) == {"日": "é", "b": "c"}


@pytest.mark.parametrize("encoding", MARKED)
def test_so_on_stdin(encoding):
    stdin = io.BytesIO(JSON_LINES.encode(encoding))
    assert texts("-", stdin=stdin) == {"日": "é", "b": "c"}


@pytest.mark.parametrize(
    "text",
    [
        "item;text\na;b, c\n",
        "item\ttext\na\tb, c\n",
        "sep=;\r\nitem;text\r\na;b, c\r\n",
        'item,text\na,"b, c"\n',
        '"item";"text"\n"a";"b, c"\n',
        '"item, or so";item;text\n;a;b, c\n',
    ],
)
def test_a_csv_table_may_have_semicolons_or_tabs(tmp_path, text):
    (tmp_path / "x.csv").write_text(text, newline="")
    assert texts(tmp_path / "x.csv") == {"a": "b, c"}


def test_a_single_column_is_a_table_too(tmp_path):
    (tmp_path / "x.csv").write_text("text\na;b\n")
    assert list(texts(tmp_path / "x.csv").values()) == ["a;b"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(("name", "text"), [("x.jsonl", JSON_LINES), ("x.csv", CSV)])
def test_other_encodings_are_told_with_file_line_and_remedy(tmp_path, name, text, encoding):
    plain = text.replace("日", "a")
    (tmp_path / name).write_bytes(plain.encode(encoding))
    line = 1 if encoding != "cp1252" or name == "x.jsonl" else 2
    with pytest.raises(InvalidInputError, match=rf"{name}.* line {line} is not UTF-8 .*iconv"):
        texts(tmp_path / name)
