"""Links to a result's artifacts, for those who have no credentials."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from truss_outbox.contract import Manifest
from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import artifact_key

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.records import UnreadableManifest, read_listed
from ..threads import in_threads
from .sign import Sign


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """To an artifact; `url` opens it for anybody who has it."""

    item: str
    name: str
    size: int
    sha256: str
    content_type: str
    url: str = field(repr=False)


@dataclass(kw_only=True, slots=True)
class PresignReport:
    """Links by item; `problems` are manifests that cannot be read, so that nothing is linked."""

    links: list[Link] = field(default_factory=list)
    problems: list[UnreadableManifest] = field(default_factory=list)


def presign(
    job: str, items: Iterable[str] = (), *, bucket: Bucket, naming: Naming, sign: Sign
) -> PresignReport:
    """Links to every artifact of the items, or of all the job's results.

    Only a manifest that lies under its own key is linked: another one could name files that this
    job does not own. Raises InvalidInputError for an item without a result, and StoreError.
    """
    wanted, report, manifests = set(items), PresignReport(), list[Manifest]()
    listed = bucket.objects(f"manifests/{naming.prefix(job)}")
    for one in in_threads(partial(read_listed, bucket), listed):
        if isinstance(one, UnreadableManifest):
            report.problems.append(one)
        elif one.job == job and (not wanted or one.item in wanted):
            manifests.append(one)
    for missing in wanted - {manifest.item for manifest in manifests}:
        raise _without_result(job, missing, report.problems)
    for manifest in sorted(manifests, key=lambda manifest: manifest.item):
        report.links.extend(_links(manifest, sign))
    return report


def _without_result(
    job: str, item: str, problems: Iterable[UnreadableManifest]
) -> InvalidInputError:
    error = InvalidInputError("ITEM", f"job {job!r} has no result of item {item!r}")
    for problem in problems:  # one of them may be the item's
        error.add_note(f"{problem.key}: {problem.problem}")
    return error


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
