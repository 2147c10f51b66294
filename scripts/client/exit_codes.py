"""What the commands' exit codes mean."""

from model.artifacts.errors import (
    ConfigurationError,
    InvalidInputError,
    OutboxError,
    StoreError,
)
from scripts.client.errors import (
    JournalError,
    SendingStoppedError,
    ServiceError,
    TargetError,
    UnknownJobError,
    WaitTimeoutError,
)

OK = 0
SOME_FAILED = 1
BAD_INPUT = 2
NOT_POSSIBLE = 3
TIMED_OUT = 4
INTERNAL = 70
INTERRUPTED = 130

EXPLANATION = """
\b
Exit codes:
  0 all well
  1 some results failed, expired, were canceled or did not verify,
    or doctor found something wrong
  2 usage or bad input, nothing was sent
  3 configuration, credentials, disk, service or bucket unusable
  4 waiting timed out
  70 a fault of Outbox itself
  130 interrupted
"""


def exit_code(error: OutboxError) -> int:
    match error:
        case WaitTimeoutError():
            return TIMED_OUT
        case SendingStoppedError():
            return INTERRUPTED
        case InvalidInputError() | UnknownJobError():
            return BAD_INPUT
        case ConfigurationError() | ServiceError() | StoreError() | JournalError() | TargetError():
            return NOT_POSSIBLE
        case _:
            return SOME_FAILED
