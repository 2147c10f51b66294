"""How long the credentials that sign a link will live: a signed link dies with them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from model.artifacts.errors import ConfigurationError

LONGEST_LINK = timedelta(days=7)
"""Neither S3's nor GCS's signatures last longer."""

LONGEST_SESSION = timedelta(hours=36)
"""AWS gives nobody session credentials for longer (STS GetSessionToken)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialLife:
    """`expires_at` None: unknown where they are a session's, else never."""

    is_session: bool
    expires_at: datetime | None = None

    def check(self, life: timedelta, *, now: datetime) -> None:
        """Raises ConfigurationError where a link of this life would die before its time."""
        if life > LONGEST_LINK:
            raise ConfigurationError("expires", "a signed link lives 7 days at most")
        if self.expires_at is not None and now + life > self.expires_at:
            minutes = max(0, int((self.expires_at - now).total_seconds() // 60))
            raise ConfigurationError(
                "expires",
                f"the credentials end in {minutes} minutes and a link with them: ask for less,"
                " renew them, or sign with a key pair of a user",
            )
        if self.is_session and self.expires_at is None and life > LONGEST_SESSION:
            raise ConfigurationError(
                "expires",
                "these are session credentials, which end within 36 hours and a link with them:"
                " ask for less, or sign with a key pair of a user",
            )


def credential_life(region: str | None = None) -> CredentialLife:
    """Of what AWS's own chain finds. Raises ConfigurationError where that is nothing."""
    import boto3  # noqa: PLC0415  # 0.3 seconds
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        credentials = boto3.Session(region_name=region).get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    except BotoCoreError as error:
        raise ConfigurationError("AWS credentials", f"fail: {type(error).__name__}") from error
    if credentials is None or frozen is None:
        raise ConfigurationError("AWS credentials", "none were found; set AWS_PROFILE or a pair")
    return CredentialLife(is_session=bool(frozen.token), expires_at=_expiry(credentials))


def _expiry(credentials: Any) -> datetime | None:
    # botocore keeps it to itself; only credentials that it can renew have one.
    expiry = getattr(credentials, "_expiry_time", None)
    return expiry.astimezone(UTC) if isinstance(expiry, datetime) else None
