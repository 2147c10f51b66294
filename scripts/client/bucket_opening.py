"""From a root's URL to the bucket behind it."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from obstore import exceptions
from obstore.store import LocalStore, S3Store

from model.artifacts.errors import ConfigurationError
from scripts.client.bucket import Bucket, first_line

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Config


def open_bucket(root: str, *, endpoint_url: str | None = None, region: str | None = None) -> Bucket:
    """The bucket at `s3://bucket/prefix` or `file:///directory`. Nothing is sent yet.

    Credentials come from AWS's own chain. Raises ConfigurationError.
    """
    url = urlsplit(root)
    if url.query or url.fragment:
        raise ConfigurationError("root", "may have no ? and no #")
    match url.scheme:
        case "s3" if url.netloc:
            store = _s3(url.netloc, url.path.strip("/"), endpoint_url, region)
            return Bucket(store, root=root.rstrip("/"))
        case "file" if not url.netloc and url.path.strip("/"):
            directory = Path(unquote(url.path))
            directory.mkdir(parents=True, exist_ok=True)
            return Bucket(LocalStore(directory), root=root.rstrip("/"))
        case _:
            raise ConfigurationError("root", "must be s3://bucket/prefix or file:///directory")


def _s3(bucket: str, prefix: str, endpoint_url: str | None, region: str | None) -> S3Store:
    credentials = _credentials(region)
    plain = (endpoint_url or "").startswith("http://")
    config: S3Config = {"endpoint": endpoint_url} if endpoint_url else {}
    try:
        return S3Store(
            bucket,
            config=config,
            prefix=prefix or None,
            region=region or credentials.config.get("region") or "us-east-1",
            credential_provider=credentials,
            virtual_hosted_style_request=not endpoint_url,
            client_options={
                "allow_http": plain,
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=30),
                "timeout": timedelta(hours=1),
            },
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
        )
    except exceptions.BaseError as error:
        raise ConfigurationError("root", f"cannot be opened: {first_line(error)}") from error


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
