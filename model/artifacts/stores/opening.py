"""From a root's URL to a store."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from model.artifacts.errors import ConfigurationError
from model.artifacts.stores.protocol import ObjectStore

MAX_PREFIX_BYTES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Options:
    """How to reach S3, or a store that speaks its API (`endpoint_url`).

    Without keys, boto3's default chain finds credentials.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    connect_timeout_seconds: float = 3
    read_timeout_seconds: float = 20


def open_store(root: str, *, s3: S3Options | None = None) -> ObjectStore:
    """The store for `s3://bucket/prefix`, `file:///directory` or `memory://name`.

    Raises ConfigurationError. Nothing is sent to the store yet.
    """
    url = urlsplit(root)
    prefix = unquote(url.path).strip("/") if url.scheme == "file" else url.path.strip("/")
    if url.query or url.fragment:
        raise ConfigurationError("root", "may have no ? and no #")
    match url.scheme:
        case "s3":
            from model.artifacts.stores.s3 import S3Store, connect  # noqa: PLC0415

            return S3Store(connect(s3 or S3Options()), *_bucket_and_prefix(url.netloc, prefix))
        case "file":
            from model.artifacts.stores.directory import DirectoryStore  # noqa: PLC0415

            if url.netloc or not prefix:
                raise ConfigurationError("root", "a directory is written file:///its/path")
            return DirectoryStore(Path("/") / prefix)
        case "memory":
            from model.artifacts.stores.memory import MemoryStore  # noqa: PLC0415

            return MemoryStore(root.rstrip("/"))
        case scheme:
            raise ConfigurationError(
                "root", f"{scheme or 'no scheme'}: must be s3://bucket/prefix or file:///directory"
            )


def _bucket_and_prefix(bucket: str, prefix: str) -> tuple[str, str]:
    if not bucket:
        raise ConfigurationError("root", "names no bucket: write s3://bucket/prefix")
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ConfigurationError("root", f"its prefix is longer than {MAX_PREFIX_BYTES} bytes")
    if any(segment in {"", ".", ".."} for segment in prefix.split("/")[: len(prefix)]):
        raise ConfigurationError("root", "its prefix has an empty, . or .. segment")
    return bucket, prefix
