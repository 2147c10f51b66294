"""From a root's address to the bucket behind it."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from obstore import exceptions
from obstore.store import GCSStore, LocalStore, S3Store

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root
from truss_outbox.retrying import is_transient

from .bucket import Bucket, NativeBucket
from .errors import first_line, repeatable
from .foreign import ForeignObjects
from .native import (
    DirectoryBucket,
    GcsBucket,
    S3Bucket,
    google_credentials,
    is_emulator,
    s3_client,
)

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import (
        ClientConfig,
        GCSConfig,
        GCSCredential,
        ObjectStore,
        RetryConfig,
        S3Config,
    )

# None of obstore's own, which take a second in all: the bucket repeats calls, once for all.
_RETRIES: "RetryConfig" = {"max_retries": 0}


def open_bucket(
    root: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    foreign: ForeignObjects | None = None,
) -> Bucket:
    """The bucket at `s3://bucket/prefix`, `gs://…` or `file:///directory`. Nothing is sent yet.

    Credentials come from AWS's and Google's own chains. `foreign` takes what is met in it that is
    not Outbox's. Raises ConfigurationError.
    """
    place = Root.parse(root)
    store: ObjectStore
    native: NativeBucket
    match place.scheme:
        case "s3":
            store = _s3(place, endpoint_url, region)
            connect = partial(s3_client, endpoint_url=endpoint_url, region=region)
            native = S3Bucket(connect, place)
        case "gs":
            store = _gcs(place, endpoint_url)
            credentials = partial(google_credentials, endpoint_url)
            native = GcsBucket(credentials, place, endpoint_url=endpoint_url)
        case "file":
            store, native = _directory(place), DirectoryBucket(place.directory)
        case "memory":
            raise ConfigurationError("root", "memory:// lives in the model's process alone")
    return Bucket(store, root=str(place), native=native, foreign=foreign)


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
            credential_provider=credentials and repeatable(credentials, _may_pass),
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
    if is_emulator(endpoint_url):
        return lambda: {"token": "none", "expires_at": None}
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415
    from obstore.auth.google import GoogleCredentialProvider  # noqa: PLC0415  # 0.1 seconds

    from truss_outbox.stores.gcs.tokens import token_request  # noqa: PLC0415

    credentials = google_credentials(endpoint_url)
    provider = GoogleCredentialProvider(credentials, request=token_request())
    return repeatable(
        provider,
        lambda error: (
            isinstance(error, TransportError)
            or (isinstance(error, GoogleAuthError) and error.retryable)
        ),
    )


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


def _may_pass(error: Exception) -> bool:
    """Whether the service that gives the credentials did not answer, or had a fault."""
    from botocore import exceptions  # noqa: PLC0415  # loaded already, by what raised the error

    if isinstance(error, exceptions.ClientError):
        answer: dict[str, Any] = {**error.response}
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return is_transient(status, answer.get("Error", {}).get("Code", ""))
    unanswered = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.MetadataRetrievalError,
    )
    return isinstance(error, unanswered)
