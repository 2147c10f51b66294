"""Why a webhook is refused.

WebhookError                    `status` is the HTTP answer; Baseten repeats none of these
├── MissingSignatureError       401
├── WrongSignatureError         401
├── MalformedPayloadError       400: signed, but no event
└── StaleEventError             400: a replay, or one of the two clocks is off

NoSecretError (ValueError)      your own fault: nothing can be verified
└── MalformedSecretError        white space in a secret, or around it
"""

from typing import ClassVar


class WebhookError(Exception):
    """Base of them all. No message quotes the payload, a signature or a secret."""

    status: ClassVar[int] = 400


class MissingSignatureError(WebhookError):
    """Nothing to verify: there is no header, or no `v1=` in it."""

    status = 401

    def __init__(self) -> None:
        super().__init__(
            "no v1 signature in X-BASETEN-SIGNATURE: Baseten signs once a webhook secret exists,"
            " and a proxy must let the header through"
        )


class WrongSignatureError(WebhookError):
    """No signature fits any secret."""

    status = 401

    def __init__(self, *, signatures: int, secrets: int) -> None:
        super().__init__(
            f"none of {signatures} signature(s) fits any of {secrets} secret(s): verify the body's"
            " bytes as they came, with the workspace's secrets"
        )


class MalformedPayloadError(WebhookError):
    """The signature is right, and yet the body is not what the service sends."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the payload is not an event: {problem}")


class StaleEventError(WebhookError):
    """`age_seconds` is negative where the event comes from the future."""

    def __init__(self, *, age_seconds: float, tolerance_seconds: float) -> None:
        self.age_seconds = age_seconds
        side = "old" if age_seconds > 0 else "in the future"
        super().__init__(
            f"the event is {abs(age_seconds):.0f} s {side}, {tolerance_seconds:.0f} s are"
            " tolerated: a replay, or this machine's clock is off"
        )


class NoSecretError(ValueError):
    """An empty secret would let everybody in."""


class MalformedSecretError(NoSecretError):
    """White space in a secret or around it, which signs otherwise. `number` counts from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(
            f"webhook secret {number} has white space in it or around it, such as the newline at"
            " the end of a file, and nothing is stripped: pass the secret alone"
        )
