"""What has become of an item."""

from enum import StrEnum


class State(StrEnum):
    """PLANNED waits to be sent; SENDING and SENT are open; the others are final until the item is
    submitted again."""

    PLANNED = "planned"
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

    @property
    def is_final(self) -> bool:
        return not self.is_open and self is not State.PLANNED

    @property
    def is_failure(self) -> bool:
        """Ended without a result, though nobody took it back."""
        return self in {State.FAILED, State.EXPIRED, State.UNKNOWN}
