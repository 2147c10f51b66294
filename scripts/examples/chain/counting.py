"""A Chainlet that is asked by another. It stores nothing, and so needs nothing of Outbox."""

from collections import Counter

import truss_chains as chains


class CountWords(chains.ChainletBase):
    def run_remote(self, text: str) -> dict[str, int]:
        return dict(Counter(text.split()))
