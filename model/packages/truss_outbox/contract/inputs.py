"""Which objects a request's `input` may name: what senders put there, and no result of others."""

import re
from collections.abc import Sequence

FOLDER = "inputs"

_UNSAFE_SEGMENT = re.compile(r"\.{0,2}\Z|.*[\x00-\x1f\x7f\\]", re.DOTALL)


def is_readable(key: str) -> bool:
    """Whether every store takes the key as it is; of others no request may name the object."""
    return not any(map(_UNSAFE_SEGMENT.match, key.split("/")))


def find_place(address: str, *, root: str, input_roots: Sequence[str]) -> tuple[str, str] | None:
    """The root that an address lies below and its key there; None where the model may not read it.

    Of the model's own root it may read `inputs/` alone: the rest are results and records, of other
    jobs too. The deepest root that an address lies below decides, so that an input root inside the
    model's own opens what is below it, and one around it opens nothing of it.
    """
    inputs = f"{root}/{FOLDER}"
    for place in sorted({root, inputs, *input_roots}, key=len, reverse=True):
        if address == place or address.startswith(f"{place}/"):
            if place == root:
                return None
            found = root if place == inputs else place
            return found, address.removeprefix(found).removeprefix("/")
    return None
