"""How the SDKs reach a bucket, as plain values: the reader goes where the writer goes."""

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.stores.network import Place, proxies
from truss_outbox.stores.s3.options import S3Options

from .errors import Credentials

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.session import Session as AwsSession
    from google.auth.credentials import Credentials as GoogleCredentials
    from obstore.store import GCSCredential, S3Credential
    from types_boto3_s3 import S3Client

    from truss_outbox.stores.gcs.options import GcsOptions

_KEY = "k"
_RENEWAL = timedelta(minutes=6)
"""obstore asks anew five minutes before the end: every minute, which costs the SDK nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    url: str
    """S3: of the bucket, so that a key follows its slash. GCS: of the service."""
    ca_bundle: Path
    """Whom both sides trust, and nobody else: a PEM file, or a directory of them."""
    place: Place
    """What errors tell of it."""

    @property
    def proxy_url(self) -> str | None:
        """None: no proxy, whatever the environment says."""
        return self.place.proxy_url


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Route(Route):
    region: str
    """That requests are signed for."""
    credentials: "Credentials[S3Credential]"
    """Those of the moment, which sign."""
    connect: "Callable[[], S3Client]"
    """The SDK's client, made when it is first asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcsRoute(Route):
    credentials: "GoogleCredentials"


def s3_route(bucket: str, options: S3Options) -> S3Route:
    """As botocore resolves it. Raises ConfigurationError; the bucket is not asked."""
    return _plain_s3_route(bucket, options, os.environ) or _resolved_s3_route(bucket, options)


_PLAIN_ENDPOINT = re.compile(r"http://[a-z0-9.-]+(:[1-9][0-9]{0,3}|:[1-5][0-9]{4})?/?")
_PLAIN_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,48}[a-z0-9]")
_PLAIN_TEXT = re.compile(r"[!-~]+")
_KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_CERTIFICATES = {"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}  # which http:// does not need
_WITHOUT_EFFECT = {
    *_CERTIFICATES,
    *("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL_SQS"),
}
_COUNTS = ("AWS_", "SSLKEYLOGFILE")
_PROFILES = ("~/.aws/config", "~/.aws/credentials")


def _plain_s3_route(bucket: str, options: S3Options, environ: Mapping[str, str]) -> S3Route | None:
    """What botocore would say, where nothing but an endpoint and a key pair is given.

    It takes 0.3 seconds to say so, as long as a small job takes to fetch. None where anything else
    could count, or is wrong: then it is asked.
    """
    keys = [environ.get(name, "") for name in _KEY_VARIABLES]
    others = {name for name in environ if name.startswith(_COUNTS)} - {*_KEY_VARIABLES}
    is_plain = (
        options
        == S3Options(
            endpoint_url=options.endpoint_url,
            endpoint_setting=options.endpoint_setting,
            region=options.region,
        )
        and options.region in {None, "us-east-1"}
        and _PLAIN_ENDPOINT.fullmatch(options.endpoint_url or "")
        and _PLAIN_BUCKET.fullmatch(bucket)
        and all(map(_PLAIN_TEXT.fullmatch, keys[:2]))
        and (not keys[2] or _PLAIN_TEXT.fullmatch(keys[2]))
        and others <= _WITHOUT_EFFECT
        and all(Path(environ[name]).exists() for name in _CERTIFICATES if environ.get(name))
        and not any(Path(place).expanduser().exists() for place in _PROFILES)
        and not proxies()
    )
    sdk = find_spec("botocore")
    if not is_plain or options.endpoint_url is None or sdk is None or sdk.origin is None:
        return None
    endpoint, (key_id, secret, token) = options.endpoint_url.rstrip("/"), keys
    credentials: S3Credential = {
        "access_key_id": key_id,
        "secret_access_key": secret,
        "token": token or None,
        "expires_at": None,
    }
    return S3Route(
        url=f"{endpoint}/{bucket}",
        region="us-east-1",
        ca_bundle=Path(sdk.origin).with_name("cacert.pem"),  # some there must be
        place=Place(of="the bucket", url=endpoint, setting=options.endpoint_setting),
        credentials=Credentials(lambda: credentials, contextlib.nullcontext),
        connect=cache(partial(_connect, options)),
    )


def _connect(options: S3Options) -> "S3Client":
    from truss_outbox.stores.s3.client import connect  # noqa: PLC0415  # 0.3 seconds

    return connect(options)


def _resolved_s3_route(bucket: str, options: S3Options) -> S3Route:
    from truss_outbox.stores.s3.client import (  # noqa: PLC0415  # 0.2 seconds
        ca_bundle,
        connect,
        open_session,
        place_of,
    )
    from truss_outbox.stores.s3.credentials import NO_CREDENTIALS, resolving  # noqa: PLC0415

    with resolving():
        session = open_session(options)
        client = connect(options, session)
        request = _prepared(client, bucket)
        credentials = session.get_credentials()
    if credentials is None:
        raise ConfigurationError("AWS credentials", NO_CREDENTIALS)
    place = place_of(options, session, client)
    return S3Route(
        url=str(request.url).removesuffix(f"/{_KEY}"),
        region=_signing_region(request) or client.meta.region_name,
        ca_bundle=Path(ca_bundle(options, session)),
        place=place,
        credentials=_s3_credentials(session, place),
        connect=lambda: client,
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


def gcs_route(options: "GcsOptions") -> GcsRoute:
    """As google-auth and requests resolve it. Raises ConfigurationError; nothing is asked."""
    from truss_outbox.stores.gcs.client import (  # noqa: PLC0415  # 0.1 seconds
        ca_bundle,
        credentials,
        place_of,
    )

    identity = credentials(options)
    place = place_of(options, identity)
    return GcsRoute(
        url=place.url, ca_bundle=ca_bundle(place.url), place=place, credentials=identity
    )


def _s3_credentials(session: "AwsSession", place: Place) -> "Credentials[S3Credential]":
    """Those of the moment: botocore renews them when they come to an end."""
    from truss_outbox.stores.s3.credentials import NO_CREDENTIALS, check_texts  # noqa: PLC0415
    from truss_outbox.stores.s3.errors import translated  # noqa: PLC0415

    def credentials() -> "S3Credential":
        found = session.get_credentials()
        frozen = found and found.get_frozen_credentials()
        if not (frozen and frozen.access_key and frozen.secret_key):
            raise ConfigurationError("AWS credentials", NO_CREDENTIALS)
        # obstore does not survive what no header takes.
        check_texts(frozen.access_key, frozen.secret_key, frozen.token)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _RENEWAL,
        }

    return Credentials(credentials, partial(translated, "credentials", place))


def gcs_credentials(identity: "GoogleCredentials", place: Place) -> "Credentials[GCSCredential]":
    """A new token at each call: obstore makes one when the last comes to an end."""
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415

    from truss_outbox.stores.gcs.errors import translated  # noqa: PLC0415
    from truss_outbox.stores.gcs.tokens import token_request  # noqa: PLC0415

    request = token_request()

    def credentials() -> "GCSCredential":
        if isinstance(identity, AnonymousCredentials):
            return {"token": "none", "expires_at": None}
        identity.refresh(request)
        # google-auth's times are in UTC, and do not say so.
        ends = identity.expiry
        expires_at = None if ends is None else ends.replace(tzinfo=UTC)
        return {"token": identity.token, "expires_at": expires_at}

    return Credentials(credentials, partial(translated, "credentials", place))
