"""Durations and sizes as a person reads them."""


def duration_text(milliseconds: float) -> str:
    """`0 ms`, `340 ms`, `2.5 s`, `4.1 min`, `3.0 h`"""
    for limit, unit, name in ((1e3, 1, "ms"), (1.2e5, 1e3, "s"), (7.2e6, 6e4, "min")):
        if milliseconds < limit:
            return _rounded(milliseconds / unit, name)
    return _rounded(milliseconds / 3.6e6, "h")


def bytes_text(size: float) -> str:
    """`512 bytes`, `1.4 MB`"""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return _rounded(size, unit)
        size /= 1000
    return _rounded(size, "TB")


def _rounded(number: float, unit: str) -> str:
    digits = 0 if number >= 10 or unit in {"ms", "bytes"} else 1
    return f"{number:,.{digits}f} {unit}"
