"""A webhook's signature: HMAC-SHA256 over the body's bytes. Both ends use this."""

import hashlib
import hmac
from collections.abc import Sequence

SIGNATURE = "X-BASETEN-SIGNATURE"
REQUEST_ID = "X-BASETEN-REQUEST-ID"


def signature(body: bytes, secret: str) -> str:
    """In hex. The secret is taken as the text it is, `whsec_` included."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def sign(body: bytes, secrets: Sequence[str]) -> str:
    """The header's value: `v1=hex` for each secret, the newest first."""
    return ",".join(f"v1={signature(body, secret)}" for secret in secrets)


def signatures(header: str) -> list[str]:
    """Every `v1` in the header, well-formed or not; versions that we do not know are left out."""
    versions = (part.strip().partition("=") for part in header.split(","))
    return [value for version, _, value in versions if version == "v1"]
