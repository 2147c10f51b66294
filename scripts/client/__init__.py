"""What the companion's commands call: `submit`, `wait`, `fetch`, `index`; and `results`.

`read_settings` reads what the commands read, and `opening` makes of it what the functions take.
Each name loads its module when it is first asked for, as a command line wants to start at once.
Silent: progress goes to a function of the caller's, what goes wrong is raised as an OutboxError.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scripts.client import opening as opening
    from scripts.client.accounting import Account as Account
    from scripts.client.batch import Batch as Batch
    from scripts.client.canceling import Cancellation as Cancellation
    from scripts.client.canceling import cancel as cancel
    from scripts.client.deployment import Deployment as Deployment
    from scripts.client.entries import Entry as Entry
    from scripts.client.fetcher import Fetched as Fetched
    from scripts.client.fetching import FetchReport as FetchReport
    from scripts.client.fetching import fetch as fetch
    from scripts.client.indexing import IndexReport as IndexReport
    from scripts.client.indexing import index as index
    from scripts.client.items import Item as Item
    from scripts.client.journal import Journal as Journal
    from scripts.client.limits import Limits as Limits
    from scripts.client.naming import Naming as Naming
    from scripts.client.result_reading import Result as Result
    from scripts.client.result_reading import results as results
    from scripts.client.selection import Selection as Selection
    from scripts.client.sending import Receipt as Receipt
    from scripts.client.settings import (
        Overrides as Overrides,
    )
    from scripts.client.settings import (
        Settings as Settings,
    )
    from scripts.client.settings import (
        read_settings as read_settings,
    )
    from scripts.client.sources import Reading as Reading
    from scripts.client.sources import find_items as find_items
    from scripts.client.standing import JobStatus as JobStatus
    from scripts.client.standing import status as status
    from scripts.client.states import State as State
    from scripts.client.submitting import (
        Submission as Submission,
    )
    from scripts.client.submitting import (
        resume as resume,
    )
    from scripts.client.submitting import (
        submit as submit,
    )
    from scripts.client.waiting import wait as wait

_HOMES = {
    "Account": "accounting",
    "Batch": "batch",
    "Cancellation": "canceling",
    "Deployment": "deployment",
    "Entry": "entries",
    "FetchReport": "fetching",
    "Fetched": "fetcher",
    "IndexReport": "indexing",
    "Item": "items",
    "JobStatus": "standing",
    "Journal": "journal",
    "Limits": "limits",
    "Naming": "naming",
    "Overrides": "settings",
    "Reading": "sources",
    "Receipt": "sending",
    "Result": "result_reading",
    "Selection": "selection",
    "Settings": "settings",
    "State": "states",
    "Submission": "submitting",
    "cancel": "canceling",
    "fetch": "fetching",
    "find_items": "sources",
    "index": "indexing",
    "opening": "opening",
    "read_settings": "settings",
    "results": "result_reading",
    "resume": "submitting",
    "status": "standing",
    "submit": "submitting",
    "wait": "waiting",
}
__all__ = tuple(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return home if name == _HOMES[name] else getattr(home, name)
