"""Who touches a bucket, and what each of them does in which folder of the layout."""

from dataclasses import dataclass
from enum import StrEnum

from truss_outbox.contract.keys import CANARY_FOLDER
from truss_outbox.contract.root import Root


class Purpose(StrEnum):
    """Whose rights: the model's, of who fetches, who submits and fetches, who cleans up.

    Or the right to read a further root's files; the bucket's own rules, who may become the writer,
    when objects go. Or how the bucket tells a queue of results, directly or by a rule of
    EventBridge's, who may send to the queue, and who follows it.
    """

    WRITER = "writer"
    READER = "reader"
    CLIENT = "client"
    SWEEPER = "sweeper"
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
        reads=("manifests", "artifacts", "failures", "index", "jobs", "submissions"),
        lists=("manifests", "failures", "index", "submissions"),
    ),
    # It deletes an input whose file changed while it was read: its name would be wrong. And parts
    # of an index that have been merged, and what `outbox doctor --send` has had stored.
    Purpose.CLIENT: Rights(
        creates=("inputs", "index", "submissions"),
        rewrites=("jobs",),
        reads=("manifests", "artifacts", "failures", "inputs", "index", "jobs", "submissions"),
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
    Purpose.INPUTS: Rights(reads=(EVERYTHING,), lists=(EVERYTHING,)),
}


def below(root: Root, folder: str) -> str:
    """What the names of all objects in the folder begin with, in the bucket."""
    return root.object_name(f"{folder}/" if folder else "")


INPUTS_DAYS = 30
"""Longer than any request waits (72 hours) and runs, by far: equal inputs share an object, and a
job sent again finds the one that its first submission stored."""

UNFINISHED_UPLOAD_DAYS = 2
PROBE_DAYS = 2
TIER_DAYS = 30
