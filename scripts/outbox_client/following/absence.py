"""Why a job has nothing to show: said instead of an empty answer."""

from pathlib import Path

from truss_outbox.contract.keys import escape, unescape

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.records import listed_failures, listed_manifests
from ..errors import UnknownJobError
from ..journal.belonging import buckets_of, elsewhere_text, jobs_there
from ..journal.journal import Journal
from ..journal.states import State
from ..text import counted

_ANY = "?"


def why_no_result(
    job: str, *, bucket: Bucket, naming: Naming, home: Path, endpoint: str = ""
) -> str:
    """Of a job that shows no result of the bucket. Raises StoreError and JournalError."""
    prefix = naming.prefix(job)
    if prefix and next(listed_manifests(bucket, prefix), None):
        return f"the results of job {job!r} are not among what was asked for"
    said = f"no result of job {job!r} is in {bucket.root}"
    try:
        with Journal.opened(home, job=job, root=bucket.root, endpoint=endpoint) as journal:
            counts = journal.counts()
    except UnknownJobError:
        if buckets := buckets_of(home, job):
            return f"{said}; from here it was submitted to {elsewhere_text(buckets)}"
    else:
        if State.SUCCEEDED in counts:
            return f"{said}, and there were some: are they deleted, or is key_template another's?"
        return f"{said} yet: {counted(counts)}; `outbox wait` follows it"
    if prefix and next(listed_failures(bucket, prefix), None):
        return f"{said}: its attempts failed, and `outbox report` says why"
    return f"{said}{jobs_there(job, jobs_in(bucket, naming))}"


def jobs_in(bucket: Bucket, naming: Naming) -> list[str]:
    """The jobs with results in the bucket; none where keys have no folder for each job."""
    head, _, tail = naming.prefix(_ANY).partition(escape(_ANY))
    if not tail:
        return []
    parent, _, before = head.rpartition("/")
    after = tail.partition("/")[0]
    names = (path.rpartition("/")[2] for path in bucket.folders(f"manifests/{parent}"))
    return [
        job
        for name in names
        if name.startswith(before) and name.endswith(after)
        if (job := _unescaped(name.removeprefix(before).removesuffix(after))) is not None
    ]


def _unescaped(segment: str) -> str | None:
    """None for a folder that is not the model's."""
    try:
        return unescape(segment)
    except ValueError:
        return None
