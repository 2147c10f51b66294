"""How long, as a person writes it: 90s, 30m, 24h, 7d."""

import re
from datetime import timedelta

from model.artifacts.errors import InvalidInputError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_WRITTEN = re.compile(r"([0-9]{1,5})([smhd])\Z")


def parse_duration(text: str, *, option: str) -> timedelta:
    """Raises InvalidInputError, which names the option."""
    written = _WRITTEN.match(text)
    if written is None:
        raise InvalidInputError(option, "is a number and a unit: 90s, 30m, 24h or 7d")
    return timedelta(**{_UNITS[written[2]]: int(written[1])})
