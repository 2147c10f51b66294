"""From a root's URL to a store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from model.artifacts.errors import ConfigurationError
from model.artifacts.stores.gcs_options import GcsOptions
from model.artifacts.stores.protocol import ObjectStore
from model.artifacts.stores.s3_options import S3Options

MAX_PREFIX_BYTES = 100


def open_store(
    root: str, *, s3: S3Options | None = None, gcs: GcsOptions | None = None
) -> ObjectStore:
    """The store for `s3://bucket/prefix`, `gs://…`, `file:///directory` or `memory://name`.

    Raises ConfigurationError. Nothing is sent to the store yet.
    """
    url = urlsplit(root)
    prefix = unquote(url.path).strip("/") if url.scheme == "file" else url.path.strip("/")
    if url.query or url.fragment:
        raise ConfigurationError("root", "may have no ? and no #")
    match url.scheme:
        case "s3":
            from model.artifacts.stores.s3 import open_s3  # noqa: PLC0415

            return open_s3(*_bucket_and_prefix(url.netloc, prefix), s3 or S3Options())
        case "gs":
            try:
                from model.artifacts.stores.gcs import open_gcs  # noqa: PLC0415
            except ModuleNotFoundError as error:
                raise ConfigurationError(
                    "root", "gs:// needs google-cloud-storage: pip install google-cloud-storage"
                ) from error
            return open_gcs(*_bucket_and_prefix(url.netloc, prefix), gcs or GcsOptions())
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
                "root",
                f"{scheme or 'no scheme'}: must be s3://bucket/prefix, gs://bucket/prefix or"
                " file:///directory",
            )


def _bucket_and_prefix(bucket: str, prefix: str) -> tuple[str, str]:
    if not bucket:
        raise ConfigurationError("root", "names no bucket: write s3://bucket/prefix")
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ConfigurationError("root", f"its prefix is longer than {MAX_PREFIX_BYTES} bytes")
    if any(segment in {"", ".", ".."} for segment in prefix.split("/")[: len(prefix)]):
        raise ConfigurationError("root", "its prefix has an empty, . or .. segment")
    return bucket, prefix
