"""What can become of an item."""

from enum import StrEnum


class State(StrEnum):
    """SENDING and SENT are open; the others are final until the item is submitted again."""

    SENDING = "sending"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @property
    def is_open(self) -> bool:
        return self in {State.SENDING, State.SENT}
