"""Durations, sizes and moments as a person reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def duration_text(milliseconds: float) -> str:
    """`0 ms`, `340 ms`, `2.5 s`, `4.1 min`, `3.0 h`"""
    for limit, unit, name in ((1e3, 1, "ms"), (1.2e5, 1e3, "s"), (7.2e6, 6e4, "min")):
        if milliseconds < limit:
            return _rounded(milliseconds / unit, name)
    return _rounded(milliseconds / 3.6e6, "h")


def clock_text(seconds: float | None) -> str:
    """`0:01:05`; nothing for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def bytes_text(size: float) -> str:
    """`512 bytes`, `1.4 MB`"""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return _rounded(size, unit)
        size /= 1000
    return _rounded(size, "TB")


def counted(counts: Mapping[Any, int]) -> str:
    """`3 succeeded, 1 failed`"""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing"


def time_text(moment: datetime) -> str:
    """`2026-03-01 12:00:00 UTC`"""
    return f"{in_utc(moment):%Y-%m-%d %H:%M:%S UTC}"


def in_utc(moment: datetime) -> datetime:
    """So that two can be compared; one without a time zone is taken as UTC.

    One that UTC has in no year from 1 to 9999 becomes the nearest that it has.
    """
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == _FIRST.year else _LAST


def _rounded(number: float, unit: str) -> str:
    digits = 0 if number >= 10 or unit in {"ms", "bytes"} else 1
    return f"{number:,.{digits}f} {unit}"
