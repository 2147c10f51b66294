"""A text, word by word: what is streamed to a caller is kept as one file where it is stored."""

from collections.abc import Iterator
from typing import Any

from truss_outbox import stored


@stored
class Model:
    def predict(self, model_input: dict[str, Any]) -> Iterator[str]:
        for word in model_input["text"].split():
            yield f"{word}\n"
