"""What a request may say, and what it means."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.inference import Request
from model.inference.files.page_ranges import PageRanges

DOCUMENT = {"base64": "-"}


def refused_at(**fields) -> list[tuple]:
    with pytest.raises(ValidationError) as caught:
        Request.model_validate({"document": DOCUMENT, **fields})
    return [error["loc"] for error in caught.value.errors()]


def test_a_request_needs_no_more_than_a_document():
    request = Request.model_validate({"document": DOCUMENT})
    assert request.dpi == 150
    assert request.artifacts == ["document.json", "text.txt"]


def test_a_request_needs_a_document():
    with pytest.raises(ValidationError, match="document"):
        Request.model_validate({})


@pytest.mark.parametrize("number", [0, 1, 0.25])
def test_a_confidence_may_be_a_whole_number(number):
    request = Request.model_validate({"document": DOCUMENT, "min_confidence": number})
    assert request.min_confidence == number


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dpi", 35),
        ("dpi", 601),
        ("dpi", "150"),
        ("dpi", True),
        ("min_confidence", 1.1),
        ("min_confidence", -0.1),
        ("min_confidence", float("nan")),
        ("quality", "best"),
        ("artifacts", []),
        ("artifacts", ["text.txt", "text.txt"]),
        ("pages", ""),
        ("pages", "0"),
        ("pages", "3-1"),
        ("pages", "1,,2"),
        ("pages", "1;2"),
        ("pages", "-3"),
        ("pages", "٣"),
        ("pages", 3),
        ("pages", "1," * 600 + "1"),
        ("password", 5),
        ("password", "\ud800"),
        ("page", "1"),
    ],
)
def test_a_wrong_field_is_refused_under_its_name(field, value):
    assert refused_at(**{field: value}) == [(field,)]


def test_an_unknown_artifact_is_refused_at_its_place_in_the_list():
    assert refused_at(artifacts=["text.txt", "words.docx"]) == [("artifacts", 1)]


def test_a_password_is_never_shown():
    request = Request.model_validate({"document": DOCUMENT, "password": "open sesame"})
    assert "sesame" not in repr(request)


def test_a_refusal_does_not_quote_what_was_sent():
    with pytest.raises(ValidationError) as caught:
        Request.model_validate({"document": DOCUMENT, "pages": "my secret"})
    assert "secret" not in str(caught.value)


ranges = st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda r: (r[0], r[0] + r[1]))


@given(st.lists(ranges, min_size=1), st.integers(1, 90))
def test_page_ranges_mean_the_pages_they_name_once_each_in_order(wanted, count):
    text = ",".join(f"{first}-{last}" if last > first else str(first) for first, last in wanted)
    parsed = PageRanges.parse(text)
    named = {number for first, last in wanted for number in range(first, last + 1)}
    assert parsed.numbers(count) == sorted(number for number in named if number <= count)
    assert parsed.last == max(named)


@given(st.text(alphabet="0123456789-, x", max_size=12))
def test_any_other_text_is_refused_with_a_value_error(text):
    with suppress(ValueError):
        assert PageRanges.parse(text).last >= 1


def test_a_huge_range_takes_no_memory():
    assert PageRanges.parse("1-999999999").numbers(3) == [1, 2, 3]
