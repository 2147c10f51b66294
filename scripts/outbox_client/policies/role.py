"""Who touches a bucket, and what each of them does in which folder of the layout."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from truss_outbox.contract.keys import CANARY_FOLDER
from truss_outbox.contract.root import Root


class Purpose(StrEnum):
    """Whose rights: the model's, of who fetches, who submits and fetches, who cleans up, who
    deletes results.

    Or the right to read a further root's files; the bucket's own rules, who may become the writer,
    when objects go. Or how the bucket tells a queue of results, directly or by a rule of
    EventBridge's, who may send to the queue, and who follows it.
    """

    WRITER = "writer"
    READER = "reader"
    CLIENT = "client"
    SWEEPER = "sweeper"
    DELETER = "deleter"
    INPUTS = "inputs"
    BUCKET = "bucket"
    TRUST = "trust"
    LIFECYCLE = "lifecycle"
    EVENTS = "events"
    EVENT_RULE = "event-rule"
    QUEUE = "queue"
    FOLLOWER = "follower"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rights:
    """Folders by what may be done in them; `EVERYTHING` is all that lies below the root.

    `lists` empty means every folder: only then is a missing object told from a forbidden one,
    which the writer, the client and the sweeper must do. `rewrites`: creates, and may put another
    object in its place. `reads_input_roots`: also what lies below the deployment's input roots.
    """

    creates: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    uploads_in_parts: tuple[str, ...] = ()
    finds_unfinished_uploads: bool = False
    reads_input_roots: bool = False
    lists_input_roots: bool = False


EVERYTHING = ""

RIGHTS = {
    Purpose.WRITER: Rights(
        creates=("artifacts", "manifests", "failures", "probes"),
        reads=("manifests", "inputs", "probes"),
        deletes=("artifacts", "probes"),
        uploads_in_parts=("artifacts",),
        reads_input_roots=True,
    ),
    Purpose.READER: Rights(
        reads=("manifests", "artifacts", "failures", "index", "jobs", "submissions", "deletions"),
        lists=("manifests", "failures", "index", "submissions", "deletions"),
    ),
    # It deletes an input whose file changed while it was read: its name would be wrong. And parts
    # of an index that have been merged, and what `outbox doctor --send` has had stored.
    Purpose.CLIENT: Rights(
        creates=("inputs", "index", "submissions"),
        rewrites=("jobs",),
        reads=(
            *("manifests", "artifacts", "failures", "inputs", "index", "jobs", "submissions"),
            "deletions",
        ),
        deletes=(
            "inputs",
            "index",
            *(f"{kind}/{CANARY_FOLDER}" for kind in ("manifests", "artifacts", "failures")),
        ),
        uploads_in_parts=("inputs", "jobs"),
        reads_input_roots=True,
        lists_input_roots=True,
    ),
    Purpose.SWEEPER: Rights(
        reads=("manifests",),
        deletes=("artifacts", "probes"),
        uploads_in_parts=("artifacts", "inputs", "jobs"),
        finds_unfinished_uploads=True,
    ),
    # It takes lines out of what was told of a job, and rows out of its index.
    Purpose.DELETER: Rights(
        creates=("deletions", "index"),
        rewrites=("submissions",),
        reads=("manifests", "index", "jobs", "submissions", "deletions"),
        deletes=("manifests", "artifacts", "failures", "index", "jobs", "submissions", "inputs"),
    ),
    Purpose.INPUTS: Rights(reads=(EVERYTHING,), lists=(EVERYTHING,)),
}


def below(root: Root, folder: str) -> str:
    """What the names of all objects in the folder begin with, in the bucket."""
    return root.object_name(f"{folder}/" if folder else "")


INPUTS_DAYS = 30
"""Longer than any request waits (72 hours) and runs, by far: equal inputs share an object, and a
job sent again finds the one that its first submission stored."""

ARTIFACTS_LATER_DAYS = 7
"""Than manifests: clouds delete by their rules at leisure and in no order, and a result whose
manifest is there must be whole."""

UNFINISHED_UPLOAD_DAYS = 2
PROBE_DAYS = 2
TIER_DAYS = 30


def days_of_results(days: int | None) -> Iterator[tuple[str, int]]:
    """After how many days what a folder holds goes, where results do after so many.

    The index stays: one of its parts that goes makes it a damaged one.
    """
    if days is not None:
        for folder in ("manifests", "failures", "submissions", "jobs"):
            yield folder, days
        yield "artifacts", days + ARTIFACTS_LATER_DAYS
