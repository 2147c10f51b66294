"""Links to a result's artifacts, for those who have no credentials."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from truss_outbox.contract import Manifest
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import artifact_key

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..threads import in_threads
from .sign import Sign


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """Whoever holds `url` may read the artifact."""

    item: str
    name: str
    size: int
    sha256: str
    content_type: str
    url: str = field(repr=False)


def presign(
    job: str, items: Sequence[str] = (), *, bucket: Bucket, naming: Naming, sign: Sign
) -> list[Link]:
    """Links to every artifact of the items, or of all the job's results.

    Raises InvalidInputError for an item without a result, ManifestError and StoreError.
    """
    wanted = set(items)
    manifests = [
        manifest
        for manifest in _manifests(job, bucket, naming)
        if not wanted or manifest.item in wanted
    ]
    for missing in wanted - {manifest.item for manifest in manifests}:
        raise InvalidInputError("ITEM", f"job {job!r} has no result of item {missing!r}")
    manifests.sort(key=lambda manifest: manifest.item)
    return [link for manifest in manifests for link in _links(manifest, sign)]


def _manifests(job: str, bucket: Bucket, naming: Naming) -> Iterator[Manifest]:
    paths = bucket.keys(f"manifests/{naming.prefix(job)}")
    found = in_threads(lambda path: Manifest.from_bytes(bucket.get(path)), paths)
    return (manifest for manifest in found if manifest.job == job)


def _links(manifest: Manifest, sign: Sign) -> Iterator[Link]:
    for artifact in manifest.artifacts:
        key = artifact_key(manifest.key, manifest.attempt, artifact.name)
        yield Link(
            item=manifest.item,
            name=artifact.name,
            size=artifact.size,
            sha256=artifact.sha256,
            content_type=artifact.content_type,
            url=sign(key),
        )
