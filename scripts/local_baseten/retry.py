"""When a failed prediction is tried again. Pure: no clock in here."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """A request's `inference_retry_config`; the defaults are Baseten's."""

    max_attempts: int = 3
    initial_delay_ms: int = 1_000
    max_delay_ms: int = 5_000

    def delay_seconds(self, failed_attempts: int) -> float | None:
        """The wait before the next attempt: doubling, capped. None where no attempt is left."""
        if failed_attempts >= self.max_attempts:
            return None
        doubled = self.initial_delay_ms << (failed_attempts - 1)
        return min(doubled, self.max_delay_ms) / 1_000
