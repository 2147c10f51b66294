"""A boto3 client of S3, with the credentials the options name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleWithWebIdentityCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import InvalidRegionError, NoRegionError

from ...contract.errors import AccessDeniedError, ConfigurationError
from ..settings import NO_OIDC
from .options import AddressingStyle, S3Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def connect(options: S3Options) -> "S3Client":
    """One client, for all threads. Raises ConfigurationError; nothing is sent yet.

    It repeats nothing by itself: RetryingStore does, within one deadline.
    """
    if options.s3_ca_bundle is not None and not options.s3_ca_bundle.is_file():
        raise ConfigurationError("s3_ca_bundle", "there is no such file")
    session = _session(options)
    try:
        client = session.client(
            "s3",
            endpoint_url=options.endpoint_url,
            # Other servers rarely look at the region, but the signature needs one.
            region_name=options.region or ("us-east-1" if options.endpoint_url else None),
            aws_access_key_id=options.access_key_id,
            aws_secret_access_key=options.secret_access_key,
            aws_session_token=options.session_token,
            verify=None if options.s3_ca_bundle is None else str(options.s3_ca_bundle),
            config=_config(options),
        )
    except (NoRegionError, InvalidRegionError):
        raise ConfigurationError("region", "is missing or cannot be one: eu-west-1?") from None
    except ValueError:
        # Without its cause, which quotes the address: it may hold a password.
        raise ConfigurationError("endpoint_url", "is not a URL: write https://host:port") from None
    client.meta.events.register("before-call.s3", _follow_no_redirect)
    return client


def _follow_no_redirect(context: dict[str, Any], **_: Any) -> None:
    """A wrong region is an error to mend, not one to work around at every call.

    Besides, boto3 would ask without end where a redirect names no region.
    """
    context["s3_redirect"] = {**context.get("s3_redirect", {}), "redirected": True}


def _config(options: S3Options) -> Config:
    style: AddressingStyle = "path" if options.endpoint_url else "auto"
    secure = (options.endpoint_url or "https://").startswith("https://")
    return _bounds(options).merge(
        Config(
            max_pool_connections=options.store_max_connections,
            # The checksum travels as a header of ours, which also works where trailers do not.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "addressing_style": options.s3_addressing_style or style,
                # Over TLS the signed checksum header vouches for the body.
                "payload_signing_enabled": not secure,
            },
        )
    )


def _bounds(options: S3Options) -> Config:
    # One attempt: the SDK's own repetitions would multiply with RetryingStore's.
    return Config(
        connect_timeout=options.store_connect_timeout_seconds,
        read_timeout=options.store_read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
    )


def _session(options: S3Options) -> boto3.Session:
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
    return boto3.Session(botocore_session=core)


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
