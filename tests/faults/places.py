"""Where a request is brought into trouble. Another kind of store is one line in PLACES."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import obstore
import pytest
from obstore.store import GCSStore, LocalStore, S3Store

from outbox_client.bucket.bucket import Bucket
from outbox_client.upkeep.found import Orphan
from outbox_client.upkeep.sweep import sweep_attempts
from truss_outbox.stores import GcsOptions, ObjectStore, S3Options, open_store


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A root that several stores, also of other processes, can be opened on."""

    root: str
    options: S3Options | None = None
    gcs: GcsOptions | None = None

    def open(self) -> ObjectStore:
        return open_store(self.root, s3=self.options, gcs=self.gcs)


PLACES: dict[str, Callable[[pytest.FixtureRequest, str], Place]] = {
    "directory": lambda request, name: Place(
        root=f"file://{request.getfixturevalue('tmp_path')}/{name}"
    ),
    "seaweedfs": lambda request, name: Place(
        root=f"s3://outbox/faults-{name}", options=request.getfixturevalue("seaweedfs_options")
    ),
    "fake-gcs-server": lambda request, name: Place(
        root=f"gs://outbox/faults-{name}", gcs=request.getfixturevalue("gcs_options")
    ),
}


def all_keys(place: Place) -> list[str]:
    """Every object's key, sorted; found without the store under test."""
    keys = (entry["path"] for page in obstore.list(_reader(place)) for entry in page)
    return sorted(key for key in keys if not key.startswith(".tmp/"))


def swept(place: Place) -> set[str]:
    """The attempts that the companion's sweep finds; they are deleted then."""
    bucket = Bucket(_reader(place), root=place.root)
    # As it will be when the grace time is over.
    later = datetime.now(UTC) + timedelta(days=1)
    found = list(sweep_attempts(bucket, before=later, delete=True))
    assert all(isinstance(one, Orphan) and one.deleted for one in found), found
    return {key.split("/")[3] for orphan in found for key in orphan.keys}


def _reader(place: Place) -> "obstore.store.ObjectStore":
    _, _, rest = place.root.partition("://")
    bucket, _, prefix = rest.partition("/")
    match place:
        case Place(gcs=GcsOptions() as options):
            return GCSStore(
                bucket,
                prefix=prefix,
                config={"base_url": options.endpoint_url},
                credential_provider=lambda: {"token": "none", "expires_at": None},
                client_options={"allow_http": True},
            )
        case Place(options=S3Options() as options):
            return S3Store(
                bucket,
                prefix=prefix,
                endpoint=options.endpoint_url,
                region="us-east-1",
                access_key_id=options.access_key_id,
                secret_access_key=options.secret_access_key,
                client_options={"allow_http": True},
            )
        case _:
            return LocalStore(rest)
