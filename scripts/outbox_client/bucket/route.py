"""How the SDKs reach a bucket, as plain values: the reader goes where the writer goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.retrying import is_transient
from truss_outbox.stores import GcsOptions, S3Options

from .errors import repeatable

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.session import Session as AwsSession
    from google.auth.credentials import Credentials as GoogleCredentials
    from obstore.store import GCSCredential, S3Credential
    from types_boto3_s3 import S3Client

NO_AWS_CREDENTIALS = (
    "none were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
)
_KEY = "k"
_RENEWAL = timedelta(minutes=6)
"""obstore asks anew five minutes before the end: every minute, which costs the SDK nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    url: str
    """S3: of the bucket, so that a key follows its slash. GCS: of the service."""
    ca_bundle: Path
    """Whom both sides trust, and nobody else: a PEM file, or a directory of them."""
    proxy_url: str | None
    """None: no proxy, whatever the environment says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Route(Route):
    region: str
    """That requests are signed for."""
    session: "AwsSession"
    """Whose credentials sign."""
    client: "S3Client"


@dataclass(frozen=True, kw_only=True, slots=True)
class GcsRoute(Route):
    credentials: "GoogleCredentials"


def s3_route(bucket: str, options: S3Options) -> S3Route:
    """As botocore resolves it. Raises ConfigurationError; the bucket is not asked."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415  # 0.2 seconds
    from botocore.httpsession import ProxyConfiguration  # noqa: PLC0415
    from botocore.utils import get_environ_proxies  # noqa: PLC0415

    from truss_outbox.stores.s3.client import ca_bundle, connect, open_session  # noqa: PLC0415

    session = open_session(options)
    try:
        client = connect(options, session)
        request = _prepared(client, bucket)
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise ConfigurationError("AWS credentials", NO_AWS_CREDENTIALS) from error
    if credentials is None:
        raise ConfigurationError("AWS credentials", NO_AWS_CREDENTIALS)
    service = client.meta.endpoint_url
    return S3Route(
        url=str(request.url).removesuffix(f"/{_KEY}"),
        region=_signing_region(request) or client.meta.region_name,
        ca_bundle=Path(ca_bundle(options, session)),
        proxy_url=ProxyConfiguration(get_environ_proxies(service)).proxy_url_for(service),
        session=session,
        client=client,
    )


class _Prepared(Exception):  # noqa: N818  # nothing is wrong
    pass


def _prepared(client: "S3Client", bucket: str) -> "AWSRequest":
    """A request as the client would sign and send it; it does neither."""

    def stop(request: "AWSRequest", **_: object) -> None:
        raise _Prepared(request)

    # Not a presigned address, which has hosts and regions of its own.
    client.meta.events.register("before-sign.s3.HeadObject", stop)
    try:
        client.head_object(Bucket=bucket, Key=_KEY)
    except _Prepared as prepared:
        (request,) = prepared.args
        return cast("AWSRequest", request)
    finally:
        client.meta.events.unregister("before-sign.s3.HeadObject", stop)
    raise AssertionError


def _signing_region(request: "AWSRequest") -> str | None:
    scope = request.context.get("signing", {})
    if scope.get("signing_name", "s3") != "s3":
        raise ConfigurationError("root", "its bucket is of a kind that needs signatures of its own")
    region: str | None = scope.get("region")
    return region


def gcs_route(options: GcsOptions) -> GcsRoute:
    """As google-auth and requests resolve it. Raises ConfigurationError; nothing is asked."""
    from requests import Session  # noqa: PLC0415  # 0.1 seconds
    from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy  # noqa: PLC0415

    from truss_outbox.stores.gcs.client import credentials, endpoint  # noqa: PLC0415

    identity = credentials(options)
    url = endpoint(options, identity)
    with Session() as session:
        resolved = session.merge_environment_settings(url, {}, None, None, None)
    trusted = resolved["verify"]
    return GcsRoute(
        url=url,
        ca_bundle=Path(DEFAULT_CA_BUNDLE_PATH if trusted is True else trusted),
        proxy_url=_with_scheme(select_proxy(url, resolved["proxies"])),
        credentials=identity,
    )


def _with_scheme(proxy_url: str | None) -> str | None:
    return f"http://{proxy_url}" if proxy_url and "://" not in proxy_url else proxy_url


def s3_credentials(session: "AwsSession") -> "Callable[[], S3Credential]":
    """Those of the moment: botocore renews them when they come to an end."""

    def credentials() -> "S3Credential":
        found = session.get_credentials()
        frozen = found and found.get_frozen_credentials()
        if not (frozen and frozen.access_key and frozen.secret_key):
            raise ConfigurationError("AWS credentials", NO_AWS_CREDENTIALS)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _RENEWAL,
        }

    return repeatable(credentials, _aws_may_pass)


def _aws_may_pass(error: Exception) -> bool:
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


def gcs_credentials(credentials: "GoogleCredentials") -> "Callable[[], GCSCredential]":
    """A new token at each call: obstore makes one when the last comes to an end."""
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415

    from truss_outbox.stores.gcs.tokens import token_request  # noqa: PLC0415

    if isinstance(credentials, AnonymousCredentials):
        return lambda: {"token": "none", "expires_at": None}
    request = token_request()

    def credential() -> "GCSCredential":
        credentials.refresh(request)
        # google-auth's times are in UTC, and do not say so.
        ends = credentials.expiry
        expires_at = None if ends is None else ends.replace(tzinfo=UTC)
        return {"token": credentials.token, "expires_at": expires_at}

    return repeatable(
        credential,
        lambda error: (
            isinstance(error, TransportError)
            or (isinstance(error, GoogleAuthError) and error.retryable)
        ),
    )
