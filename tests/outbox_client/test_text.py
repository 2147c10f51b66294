"""Numbers as a person reads them."""

import pytest

from outbox_client.text import bytes_text, clock_text, duration_text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (2_500, "2.5 s"),
        (90_000, "90 s"),
        (246_000, "4.1 min"),
        (1_800_000, "30 min"),
        (10_800_000, "3.0 h"),
    ],
)
def test_a_duration_has_the_unit_it_is_thought_of_in(milliseconds, text):
    assert duration_text(milliseconds) == text


def test_a_clock_counts_hours_minutes_and_seconds():
    assert [clock_text(seconds) for seconds in (0, 65, 36_000.4, None)] == [
        *("0:00:00", "0:01:05", "10:00:00", "")
    ]


def test_sizes_are_decimal():
    assert [bytes_text(size) for size in (512, 1_400_000)] == ["512 bytes", "1.4 MB"]
