"""From a root's URL to a store."""

from ..contract.errors import ConfigurationError
from ..contract.root import Root
from .gcs.options import GcsOptions
from .protocol import ObjectStore
from .s3.options import S3Options


def open_store(
    root: str, *, s3: S3Options | None = None, gcs: GcsOptions | None = None
) -> ObjectStore:
    """The store for `s3://bucket/prefix`, `gs://…`, `file:///directory` or `memory://name`.

    Raises ConfigurationError. Nothing is sent to the store yet.
    """
    place = Root.parse(root)
    match place.scheme:
        case "s3":
            from .s3.store import open_s3  # noqa: PLC0415

            return open_s3(place.bucket, place.prefix, s3 or S3Options())
        case "gs":
            try:
                from .gcs.store import open_gcs  # noqa: PLC0415
            except ModuleNotFoundError as error:
                raise ConfigurationError(
                    "root", "gs:// needs google-cloud-storage: pip install google-cloud-storage"
                ) from error
            return open_gcs(place.bucket, place.prefix, gcs or GcsOptions())
        case "file":
            from .directory import DirectoryStore  # noqa: PLC0415

            return DirectoryStore(place.directory)
        case "memory":
            from .memory import MemoryStore  # noqa: PLC0415

            return MemoryStore(str(place))
