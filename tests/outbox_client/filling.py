"""Jobs and results in any number, without sending anything."""

from concurrent.futures import ThreadPoolExecutor

from outbox_client import Batch, Item, Journal
from outbox_client.bucket.bucket import Bucket
from outbox_client.journal.entries import Accepted, Begun, planned_row
from truss_outbox.contract.keys import escape

DIGEST = "0" * 64


def fill_journal(journal: Journal, items: list[str], *, submitted_at: float) -> None:
    """Every item sent, under the default template; request ids are the items' names with `r-`."""
    batch = Batch(job=journal.job)
    journal.plan(
        batch,
        (
            planned_row(Item(name=i, inputs={"document": {"path": "/x"}}), key(journal, i))
            for i in items
        ),
    )
    journal.begin_submits(
        Begun(item=i, key=key(journal, i), digest=DIGEST, size=1, submitted_at=submitted_at)
        for i in items
    )
    journal.end_submits(Accepted(item=i, key=key(journal, i), request_id=f"r-{i}") for i in items)


def fill_bucket(bucket: Bucket, paths: list[str]) -> None:
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda path: bucket.create(path, b"{}"), paths):
            pass


def key(journal: Journal, item: str) -> str:
    return f"job={journal.job}/{escape(item)}"


def manifests(journal: Journal, items: list[str]) -> list[str]:
    return [f"manifests/{key(journal, item)}.json" for item in items]
