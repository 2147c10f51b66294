"""Words that must never be seen where they do not belong, and where to look for them."""

import base64
import functools
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

SEEDED: dict[str, str] = {}
"""Of this test run, by what they stand for. No captured output may hold one of them."""


def seed(what: str, word: str | None = None) -> str:
    """A word that occurs nowhere else (or `word`, which is one), watched from now on."""
    SEEDED[what] = word or f"canary{secrets.token_hex(8)}"
    return SEEDED[what]


@functools.cache
def forms(word: str) -> frozenset[str]:
    """How a word can look that was passed through logs, addresses and encodings."""
    aligned = {base64.b64encode(b"\0" * shift + word.encode()).decode() for shift in range(3)}
    # Without the characters that depend on what stands before and after.
    middles = {re.sub(r"=+\Z", "", text)[4:-4] for text in aligned}
    plain = {word, word.upper(), word.encode().hex(), quote(word, safe="")}
    return frozenset(plain | middles)


def found(places: Mapping[str, str]) -> list[str]:
    """`what in place` for each of the seeded words that a place's text holds."""
    return [
        f"{what} in {place}"
        for what, word in SEEDED.items()
        for place, text in places.items()
        if any(form in text for form in forms(word))
    ]


def said(log: Path) -> str:
    """A stand-in's log after the announcement, which tells the keys to who started it."""
    text = log.read_text(errors="replace")
    return re.sub(r"^  export .*$|^or: set -a; .*$", "", text, flags=re.MULTILINE)
