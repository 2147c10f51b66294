"""What the commands' exit codes mean."""

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
    or doctor found something wrong, or add leaves something to do,
    or sweep could not delete something
  2 usage or bad input, nothing was sent
  3 configuration, credentials, disk, service or bucket unusable
  4 waiting timed out
  70 a fault of Outbox itself
  130 interrupted
"""


def exit_code(error: Exception) -> int:
    """INTERNAL for an error that is not expected."""
    # Imported late: the contract takes 0.1 seconds, and `outbox --help` has no use for it.
    from truss_outbox.contract import errors  # noqa: PLC0415

    from .. import errors as own  # noqa: PLC0415

    unusable = (errors.ConfigurationError, errors.StoreError, own.ServiceError, own.TargetError)
    kinds: dict[type[Exception] | tuple[type[Exception], ...], int] = {
        own.WaitTimeoutError: TIMED_OUT,
        own.SendingStoppedError: INTERRUPTED,
        (errors.InvalidInputError, own.UnknownJobError): BAD_INPUT,
        (*unusable, own.JournalError): NOT_POSSIBLE,
        ModuleNotFoundError: NOT_POSSIBLE,
        errors.OutboxError: SOME_FAILED,
    }
    return next((code for kind, code in kinds.items() if isinstance(error, kind)), INTERNAL)
