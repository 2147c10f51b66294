"""What the companion's commands call: `submit`, `wait`, `fetch`, `index`; and `results`.

`read_settings` reads what the commands read, and `opening` makes of it what the functions take.
Each name loads its module when it is first asked for, as a command line wants to start at once.
Silent: progress goes to a function of the caller's, what goes wrong is raised as an OutboxError.
"""

import importlib
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import opening as opening
    from .bucket.naming import Naming as Naming
    from .deleting.delete import delete as delete
    from .deleting.deletion import Deletion as Deletion
    from .deleting.deletion import Scope as Scope
    from .engines.indexing import WorkerEngine as WorkerEngine
    from .engines.indexing import index_by as index_by
    from .engines.indexing import index_range as index_range
    from .engines.ranges import KeyRange as KeyRange
    from .engines.ranges import ranges as ranges
    from .engines.reading import read_rows as read_rows
    from .engines.reading import read_table as read_table
    from .engines.reading import verify as verify
    from .fetching.fetch import fetch as fetch
    from .fetching.layout import Selection as Selection
    from .fetching.one_result import Fetched as Fetched
    from .fetching.report import FetchReport as FetchReport
    from .following.account import Account as Account
    from .following.cancel import Cancellation as Cancellation
    from .following.cancel import cancel as cancel
    from .following.status import JobStatus as JobStatus
    from .following.status import status as status
    from .following.tracker import wait as wait
    from .indexing.build import IndexReport as IndexReport
    from .indexing.build import index as index
    from .indexing.results import Result as Result
    from .indexing.results import results as results
    from .journal.entries import Entry as Entry
    from .journal.journal import Journal as Journal
    from .journal.states import State as State
    from .queues.events import ResultEvent as ResultEvent
    from .queues.events import events as events
    from .sending.sender import Receipt as Receipt
    from .sending.submit import Submission as Submission
    from .sending.submit import resume as resume
    from .sending.submit import submit as submit
    from .service.api import Deployment as Deployment
    from .service.limits import SendingLimits as SendingLimits
    from .settings import BucketOverrides as BucketOverrides
    from .settings import ClientSettings as ClientSettings
    from .settings import ResultOverrides as ResultOverrides
    from .settings import RootOverrides as RootOverrides
    from .settings import ServiceOverrides as ServiceOverrides
    from .settings import read_settings as read_settings
    from .sources.files import Reading as Reading
    from .sources.files import find_items as find_items
    from .sources.items import Batch as Batch
    from .sources.items import Item as Item

_NAMES = {
    "bucket.naming": ("Naming",),
    "deleting.delete": ("delete",),
    "deleting.deletion": ("Deletion", "Scope"),
    "engines.indexing": ("WorkerEngine", "index_by", "index_range"),
    "engines.ranges": ("KeyRange", "ranges"),
    "engines.reading": ("read_rows", "read_table", "verify"),
    "fetching.fetch": ("fetch",),
    "fetching.report": ("FetchReport",),
    "fetching.layout": ("Selection",),
    "fetching.one_result": ("Fetched",),
    "following.account": ("Account",),
    "following.cancel": ("Cancellation", "cancel"),
    "following.status": ("JobStatus", "status"),
    "following.tracker": ("wait",),
    "indexing.build": ("IndexReport", "index"),
    "indexing.results": ("Result", "results"),
    "journal.entries": ("Entry",),
    "journal.journal": ("Journal",),
    "journal.states": ("State",),
    "opening": ("opening",),
    "queues.events": ("ResultEvent", "events"),
    "sending.sender": ("Receipt",),
    "sending.submit": ("Submission", "resume", "submit"),
    "service.api": ("Deployment",),
    "service.limits": ("SendingLimits",),
    "settings": (
        "BucketOverrides",
        "ClientSettings",
        "ResultOverrides",
        "RootOverrides",
        "ServiceOverrides",
        "read_settings",
    ),
    "sources.files": ("Reading", "find_items"),
    "sources.items": ("Batch", "Item"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}
__all__ = tuple(_HOMES)

# As in truss_outbox: threads that import from one package at once can fail with `_DeadlockError`.
_one_at_a_time = RLock()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _one_at_a_time:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return home if name == _HOMES[name] else getattr(home, name)
