"""From a root's address to the bucket behind it."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from obstore import exceptions
from obstore.store import GCSStore, LocalStore, S3Store

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root
from truss_outbox.stores.network import Place
from truss_outbox.stores.open_store import not_installed
from truss_outbox.stores.s3.options import S3Options

from .bucket import Bucket
from .errors import Credentials, first_line
from .foreign import ForeignObjects
from .native import DirectoryBucket, GcsBucket, NativeBucket, S3Bucket
from .route import (
    GcsRoute,
    Route,
    S3Route,
    gcs_credentials,
    gcs_route,
    s3_route,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

    from truss_outbox.stores.gcs.options import GcsOptions
    from truss_outbox.stores.s3.options import AddressingStyle

    from .listing.s3_pages import S3Pages

# None of obstore's own, which take a second in all: the bucket repeats calls, once for all.
_RETRIES: "RetryConfig" = {"max_retries": 0}
_STEP_RETRIES: "RetryConfig" = {
    # Of a call that is many requests, obstore alone can repeat one: a part of a file, a page. For
    # seconds, as nothing interrupts it meanwhile.
    "max_retries": 6,
    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1)},
}

_NOTHING_BY_THE_ENVIRONMENT: "S3Config" = {
    "conditional_put": "etag",
    # obstore does not survive an answer that names another key than was asked for.
    "disable_bulk_delete": True,
    "disable_tagging": False,
    "request_payer": False,
    "s3_express": False,
    "skip_signature": False,
    "unsigned_payload": False,
}
"""obstore takes AWS_… variables of its own for each of these that is not given."""

_OBSTORES_OWN = (
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_COPY_IF_NOT_EXISTS",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
"""Variables that obstore reads and no SDK does, and that no argument overrides."""


class Connection(TypedDict, total=False):
    """How a bucket is reached, by the model's settings of these names; else as the SDK finds it."""

    endpoint_url: str | None
    endpoint_setting: str
    """What named it, for errors."""
    region: str | None
    s3_addressing_style: "AddressingStyle | None"
    s3_ca_bundle: Path | None


def open_bucket(
    root: str, *, foreign: ForeignObjects | None = None, **connection: Unpack[Connection]
) -> Bucket:
    """The bucket at `s3://bucket/prefix`, `gs://…` or `file:///directory`. Nothing is sent to it.

    Address, certificates, proxy and credentials are those that the model's store would take here.
    `foreign` takes what is met in it that is not Outbox's. Raises ConfigurationError.
    """
    place = Root.parse(root)
    match place.scheme:
        case "s3":
            return _s3(place, _s3_route(place, connection), foreign)
        case "gs":
            return _gcs(place, _gcs_route(connection), foreign)
        case "file":
            native = DirectoryBucket(place.directory)
            return Bucket(_directory(place), root=str(place), native=native, foreign=foreign)
        case "memory":
            raise ConfigurationError("root", "memory:// lives in the model's process alone")


def gcs_options(**connection: Unpack[Connection]) -> "GcsOptions":
    """Raises nothing; what GCS has no use for is left out."""
    from truss_outbox.stores.gcs.options import GcsOptions  # noqa: PLC0415

    return GcsOptions(
        endpoint_url=connection.get("endpoint_url"),
        endpoint_setting=connection.get("endpoint_setting", "endpoint_url"),
    )


def route_to(root: str, **connection: Unpack[Connection]) -> Route | None:
    """How the bucket's host is reached; None for a directory. Raises ConfigurationError."""
    place = Root.parse(root)
    match place.scheme:
        case "s3":
            return _s3_route(place, connection)
        case "gs":
            return _gcs_route(connection)
        case _:
            return None


def _directory(place: Root) -> LocalStore:
    try:
        # obstore opens no directory that is missing, and the first result makes it otherwise.
        place.directory.mkdir(parents=True, exist_ok=True)
        return LocalStore(place.directory)
    except OSError as error:
        raise ConfigurationError("root", f"{place.directory}: {error.strerror}") from error
    except exceptions.BaseError as error:
        raise ConfigurationError("root", f"cannot be opened: {first_line(error)}") from error


def _s3_route(place: Root, connection: Connection) -> S3Route:
    try:
        return s3_route(place.bucket, S3Options(**connection))
    except ModuleNotFoundError as error:
        raise not_installed("s3://", "boto3") from error


def _gcs_route(connection: Connection) -> GcsRoute:
    try:
        return gcs_route(gcs_options(**connection))
    except ModuleNotFoundError as error:
        raise not_installed("gs://", "google-cloud-storage") from error


def _s3(place: Root, route: S3Route, foreign: ForeignObjects | None) -> Bucket:
    def make(retries: "RetryConfig") -> S3Store:
        with _made(route):
            return S3Store(
                place.bucket,
                prefix=place.prefix or None,
                region=route.region,
                config=_NOTHING_BY_THE_ENVIRONMENT,
                # Whatever the style of the address, the bucket is in it already.
                virtual_hosted_style_request=True,
                endpoint=route.url,
                aws_endpoint_url_s3=route.url,
                credential_provider=route.credentials,
                client_options=_client_options(route),
                retry_config=retries,
            )

    def pages() -> "S3Pages":
        from .listing.s3_pages import S3Pages  # noqa: PLC0415  # 0.02 seconds

        return S3Pages(route, place)

    return _opened(
        place,
        make,
        S3Bucket(route.connect, place, asked=route.place),
        foreign,
        bulk=pages,
        asked=route.place,
        credentials=route.credentials,
    )


def _gcs(place: Root, route: GcsRoute, foreign: ForeignObjects | None) -> Bucket:
    credentials = gcs_credentials(route.credentials, route.place)

    def make(retries: "RetryConfig") -> GCSStore:
        with _made(route):
            return GCSStore(
                place.bucket,
                prefix=place.prefix or None,
                base_url=route.url,
                skip_signature=False,
                credential_provider=credentials,
                client_options=_client_options(route),
                retry_config=retries,
            )

    native = GcsBucket(route.credentials, place, asked=route.place)
    return _opened(place, make, native, foreign, asked=route.place, credentials=credentials)


def _opened(
    root: Root,
    make: "Callable[[RetryConfig], ObjectStore]",
    native: NativeBucket,
    foreign: ForeignObjects | None,
    *,
    asked: Place,
    credentials: Credentials[object],
    bulk: "Callable[[], S3Pages] | None" = None,
) -> Bucket:
    return Bucket(
        make(_RETRIES),
        # Made where it is needed, and once.
        stepwise=functools.cache(partial(make, _STEP_RETRIES)),
        root=str(root),
        native=native,
        bulk=bulk,
        foreign=foreign,
        place=asked,
        credentials=credentials,
    )


_NO_PROXY: "ClientConfig" = {
    "proxy_url": "http://none.invalid",
    "proxy_excludes": "*,0.0.0.0/0,::/0",
}
"""Where none is given, obstore takes the environment's; this one is never asked."""


def _client_options(route: Route) -> "ClientConfig":
    proxy: ClientConfig = {"proxy_url": route.proxy_url} if route.proxy_url else _NO_PROXY
    return {
        **proxy,
        "allow_http": route.url.startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=30),
        # Of a whole answer, which may be large and slow; read_timeout ends a stalled one.
        "timeout": timedelta(hours=1),
    }


_making = threading.Lock()


@contextlib.contextmanager
def _made(route: Route) -> Iterator[None]:
    """Where a store is made: its errors are ours, and it trusts what the route says.

    obstore adds certificates that it is given to those that these variables, or the machine, name;
    none but the variables can take their place. It reads them once, here.
    """
    with _making:
        before = {name: os.environ.pop(name) for name in _OBSTORES_OWN if name in os.environ}
        certificates = "SSL_CERT_DIR" if route.ca_bundle.is_dir() else "SSL_CERT_FILE"
        os.environ[certificates] = str(route.ca_bundle)
        try:
            yield
        except exceptions.BaseError as error:
            raise ConfigurationError("root", f"cannot be opened: {first_line(error)}") from error
        finally:
            del os.environ[certificates]
            os.environ.update(before)
