"""The SDK's client of S3, with the credentials the options name.

By botocore alone: boto3 adds to it what nobody here uses, and takes as long again to load.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.credentials import (
    AssumeRoleWithWebIdentityCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import InvalidRegionError, NoRegionError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from ...contract.errors import AccessDeniedError, ConfigurationError
from ..network import Place, check_certificates, check_key_log, check_proxy, check_url, with_scheme
from ..settings import NO_OIDC
from .credentials import check_credentials, resolving
from .errors import refuse_page
from .options import S3Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def connect(options: S3Options, session: botocore.session.Session | None = None) -> "S3Client":
    """One client, for all threads. Raises ConfigurationError; nothing is sent yet.

    It repeats nothing by itself: RetryingStore does, within one deadline.
    """
    session = session or open_session(options)
    with resolving():
        client: Any = _client(options, session)
        check_credentials(session.get_credentials())
    # Over TLS the signed checksum header vouches for the body.
    client.meta.config.s3["payload_signing_enabled"] = client.meta.endpoint_url.startswith("http:")
    client.meta.events.register("before-call.s3", _follow_no_redirect)
    client.meta.events.register("before-parse.s3", refuse_page)
    return cast("S3Client", client)


def _client(options: S3Options, session: botocore.session.Session) -> Any:
    setting, url = _named_endpoint(options, session)
    if url:
        check_url(setting, url)
    check_key_log()
    try:
        client: Any = session.create_client(
            "s3",
            endpoint_url=options.endpoint_url,
            # Other servers rarely look at the region, but the signature needs one.
            region_name=options.region or ("us-east-1" if options.endpoint_url else None),
            verify=ca_bundle(options, session),
            config=_config(options),
        )
    except (NoRegionError, InvalidRegionError):
        raise ConfigurationError("region", "is missing or cannot be one: eu-west-1?") from None
    check_proxy(_proxy_url(client.meta.endpoint_url))
    return client


def place_of(options: S3Options, session: botocore.session.Session, client: "S3Client") -> Place:
    """Where a client of these options asks."""
    url = client.meta.endpoint_url
    setting, named = _named_endpoint(options, session)
    return Place(
        of="the bucket", url=url, setting=setting if named else None, proxy_url=_proxy_url(url)
    )


def _named_endpoint(
    options: S3Options, session: botocore.session.Session
) -> tuple[str, str | None]:
    """What names the endpoint, and the endpoint, in the order in which botocore looks for one."""
    if options.endpoint_url:
        return options.endpoint_setting, options.endpoint_url
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return "", None
    profile = session.get_scoped_config()
    url = ConfiguredEndpointProvider(session.full_config, profile, "s3").provide()
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if os.environ.get(variable):
            return variable, url
    return f"endpoint_url of the AWS profile {session.profile or 'default'}", url


def _proxy_url(url: str) -> str | None:
    """That botocore takes, which knows none for all schemes."""
    proxy_url: str | None = get_environ_proxies(url).get(urlsplit(url).scheme)
    return with_scheme(proxy_url) if proxy_url else None


def ca_bundle(options: S3Options, session: botocore.session.Session) -> str:
    """The file of the authorities that are trusted: the option's, else as the SDK finds it.

    Raises ConfigurationError where it is missing, or has no certificates.
    """
    for setting, named in (
        ("s3_ca_bundle", options.s3_ca_bundle),
        ("AWS_CA_BUNDLE (ca_bundle)", session.get_config_variable("ca_bundle")),
        ("REQUESTS_CA_BUNDLE", os.environ.get("REQUESTS_CA_BUNDLE")),
    ):
        if named:
            check_certificates(setting, Path(named))
            return str(named)
    return str(get_cert_path(True))


def _follow_no_redirect(context: dict[str, Any], **_: Any) -> None:
    """A wrong region is an error to mend, not one to work around at every call.

    Besides, boto3 would ask without end where a redirect names no region.
    """
    context["s3_redirect"] = {**context.get("s3_redirect", {}), "redirected": True}


def _config(options: S3Options) -> Config:
    style = options.s3_addressing_style or ("path" if options.endpoint_url else None)
    return _bounds(options).merge(
        Config(
            signature_version="s3v4",
            max_pool_connections=options.store_max_connections,
            # The checksum travels as a header of ours, which also works where trailers do not.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Where nothing is said, what the profile says, else auto.
            s3={"addressing_style": style} if style else {},
        )
    )


def _bounds(options: S3Options) -> Config:
    # One attempt: the SDK's own repetitions would multiply with RetryingStore's.
    return Config(
        connect_timeout=options.store_connect_timeout_seconds,
        read_timeout=options.store_read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
    )


def open_session(options: S3Options) -> botocore.session.Session:
    """Its `get_credentials` are those of the options: a role's, the keys, or the default chain's.

    Nothing is looked up yet.
    """
    core = botocore.session.Session()
    if options.aws_role_arn is not None:
        provider = _WebIdentityProvider(
            AssumeRoleWithWebIdentityCredentialFetcher(
                partial(_token_service, core, options),
                partial(_read_token, _token_file(options)),
                options.aws_role_arn,
                extra_args={
                    "RoleSessionName": options.aws_role_session_name,
                    "DurationSeconds": options.aws_role_duration_seconds,
                },
            ).fetch_credentials
        )
        # In place of the whole default chain: no other credentials may sign by accident.
        core.register_component("credential_provider", CredentialResolver([provider]))
    elif options.access_key_id and options.secret_access_key:
        core.set_credentials(
            options.access_key_id, options.secret_access_key, options.session_token
        )
    return core


class _WebIdentityProvider(CredentialProvider):
    METHOD = "assume-role-with-web-identity"

    def __init__(self, fetch: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._fetch = fetch

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._fetch, method=self.METHOD)


def _token_service(
    core: botocore.session.Session, options: S3Options, service: str, *, config: Config
) -> Any:
    return core.create_client(
        service,
        region_name=options.region or "us-east-1",
        config=config.merge(_bounds(options)),
    )


def _token_file(options: S3Options) -> Path:
    if options.oidc_token_file is None:
        raise ConfigurationError("aws_role_arn", NO_OIDC)
    return options.oidc_token_file


def _read_token(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise AccessDeniedError(
            "aws_role_arn",
            "the OIDC token's file cannot be read: set runtime.oidc.enabled in config.yaml",
        ) from error
