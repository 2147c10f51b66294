"""From a root's address to the bucket behind it."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore import exceptions
from obstore.store import GCSStore, LocalStore, S3Store

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from .bucket import Bucket
from .errors import first_line

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import ClientConfig, GCSConfig, GCSCredential, RetryConfig, S3Config

_GCS_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]
_RETRIES: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}


def open_bucket(root: str, *, endpoint_url: str | None = None, region: str | None = None) -> Bucket:
    """The bucket at `s3://bucket/prefix`, `gs://…` or `file:///directory`. Nothing is sent yet.

    Credentials come from AWS's and Google's own chains. Raises ConfigurationError.
    """
    place = Root.parse(root)
    match place.scheme:
        case "s3":
            return Bucket(_s3(place, endpoint_url, region), root=str(place))
        case "gs":
            return Bucket(_gcs(place, endpoint_url), root=str(place))
        case "file":
            return Bucket(_directory(place), root=str(place))
        case "memory":
            raise ConfigurationError("root", "memory:// lives in the model's process alone")


def _directory(place: Root) -> LocalStore:
    try:
        # obstore opens no directory that is missing, and the first result makes it otherwise.
        place.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError("root", f"{place.directory}: {error.strerror}") from error
    return LocalStore(place.directory)


def _s3(place: Root, endpoint_url: str | None, region: str | None) -> S3Store:
    config: S3Config = {"endpoint": endpoint_url} if endpoint_url else {}
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    # boto3 takes 0.3 seconds to load: it is asked only for what the environment lacks.
    credentials = None
    if not (_has_keys(os.environ) and (region or endpoint_url)):
        credentials = _credentials(region)
        region = region or credentials.config.get("region")
    try:
        return S3Store(
            place.bucket,
            config=config,
            prefix=place.prefix or None,
            region=region or "us-east-1",
            credential_provider=credentials,
            virtual_hosted_style_request=not endpoint_url,
            client_options=_client_options(endpoint_url),
            retry_config=_RETRIES,
        )
    except exceptions.BaseError as error:
        raise ConfigurationError("root", f"cannot be opened: {first_line(error)}") from error


def _has_keys(environ: Mapping[str, str]) -> bool:
    """Whether the environment has a key pair: first in boto3's chain too, which takes longer."""
    return bool(environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"))


def _gcs(place: Root, endpoint_url: str | None) -> GCSStore:
    config: GCSConfig = {"base_url": endpoint_url} if endpoint_url else {}
    try:
        return GCSStore(
            place.bucket,
            config=config,
            prefix=place.prefix or None,
            credential_provider=_google_credentials(endpoint_url),
            client_options=_client_options(endpoint_url),
            retry_config=_RETRIES,
        )
    except exceptions.BaseError as error:
        raise ConfigurationError("root", f"cannot be opened: {first_line(error)}") from error


def _client_options(endpoint_url: str | None) -> "ClientConfig":
    return {
        "allow_http": (endpoint_url or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=30),
        # Of a whole answer, which may be large and slow; read_timeout ends a stalled one.
        "timeout": timedelta(hours=1),
    }


def _google_credentials(endpoint_url: str | None) -> "Callable[[], GCSCredential]":
    """From Google's default chain; none for an emulator, which an http endpoint is taken for."""
    if (endpoint_url or "").startswith("http://"):
        return lambda: {"token": "none", "expires_at": None}
    import google.auth  # noqa: PLC0415  # 0.1 seconds that S3 need not pay
    from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
    from obstore.auth.google import GoogleCredentialProvider  # noqa: PLC0415

    try:
        return GoogleCredentialProvider(google.auth.default(scopes=_GCS_SCOPES)[0])
    except DefaultCredentialsError as error:
        raise ConfigurationError(
            "Google credentials",
            "none were found; run gcloud auth application-default login, or set"
            " GOOGLE_APPLICATION_CREDENTIALS to a key's file",
        ) from error


def _credentials(region: str | None) -> "Boto3CredentialProvider":
    import boto3  # noqa: PLC0415  # 0.3 seconds that a directory need not pay
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    try:
        return Boto3CredentialProvider(boto3.Session(region_name=region))
    except (ValueError, BotoCoreError) as error:
        raise ConfigurationError(
            "AWS credentials",
            "none were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        ) from error
