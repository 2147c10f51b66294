"""From a root to a store."""

from typing import TYPE_CHECKING

from ..contract.errors import ConfigurationError
from ..contract.root import Root

if TYPE_CHECKING:
    from .gcs.options import GcsOptions
    from .protocol import ObjectStore
    from .s3.options import S3Options


def open_store(
    root: str | Root, *, s3: "S3Options | None" = None, gcs: "GcsOptions | None" = None
) -> "ObjectStore":
    """The store for `s3://bucket/prefix`, `gs://…`, `file:///directory` or `memory://name`.

    Raises ConfigurationError. Nothing is sent to the store yet.
    """
    place = Root.parse(root) if isinstance(root, str) else root
    # Each SDK takes a good part of a second to import: only the one in use is.
    match place.scheme:
        case "s3":
            try:
                from .s3.options import S3Options  # noqa: PLC0415
                from .s3.store import open_s3  # noqa: PLC0415
            except ModuleNotFoundError as error:
                raise not_installed("s3://", "boto3") from error
            return open_s3(place.bucket, place.prefix, s3 or S3Options())
        case "gs":
            try:
                from .gcs.options import GcsOptions  # noqa: PLC0415
                from .gcs.store import open_gcs  # noqa: PLC0415
            except ModuleNotFoundError as error:
                raise not_installed("gs://", "google-cloud-storage") from error
            return open_gcs(place.bucket, place.prefix, gcs or GcsOptions())
        case "file":
            from .directory import DirectoryStore  # noqa: PLC0415

            return DirectoryStore(place.directory)
        case "memory":
            from .memory import MemoryStore  # noqa: PLC0415

            return MemoryStore(str(place))


def not_installed(scheme: str, package: str) -> ConfigurationError:
    """What to say where the SDK of a root's scheme cannot be imported."""
    return ConfigurationError("root", f"{scheme} needs {package}: pip install {package}")
