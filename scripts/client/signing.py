"""Who signs links: a function from an object's key to a URL that its holder may read."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from model.artifacts.errors import ConfigurationError
from scripts.client.bucket import Bucket
from scripts.client.credential_life import CredentialLife, credential_life

Sign = Callable[[str], str]


def s3_signer(bucket: Bucket, *, life: timedelta) -> Sign:
    return lambda key: bucket.link(key, life=life)


def gcs_signer(root: str, *, life: timedelta, now: datetime) -> Sign:
    """By Google's own library: obstore does not escape the % of a key in GCS's links.

    Raises ConfigurationError: too long a life, or credentials without a private key.
    """
    CredentialLife(is_session=False).check(life, now=now)
    import google.auth  # noqa: PLC0415  # 0.3 seconds, with the next one
    from google.auth.credentials import Signing  # noqa: PLC0415
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
    from google.cloud.storage import Client  # noqa: PLC0415

    try:
        credentials, _ = google.auth.default()
    except DefaultCredentialsError:
        credentials = None
    if not isinstance(credentials, Signing):
        raise ConfigurationError(
            "Google credentials",
            "cannot sign: set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file",
        )
    url = urlsplit(root)
    prefix = url.path.strip("/")
    objects = Client(project="none", credentials=credentials).bucket(url.netloc)

    def sign(key: str) -> str:
        blob = objects.blob(f"{prefix}/{key}" if prefix else key)
        link: str = blob.generate_signed_url(version="v4", expiration=life, method="GET")
        return link

    return sign


def signer(
    root: str, bucket: Bucket, *, region: str | None, life: timedelta, now: datetime
) -> Sign:
    """Raises ConfigurationError where links of this life cannot be."""
    match urlsplit(root).scheme:
        case "gs":
            return gcs_signer(root, life=life, now=now)
        case "s3":
            credential_life(region).check(life, now=now)
            return s3_signer(bucket, life=life)
        case _:
            raise ConfigurationError("root", "a directory has no links: only a bucket does")
