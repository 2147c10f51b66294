"""What the companion's commands call: `submit`, `wait`, `fetch`, `index`; and `results`.

`read_settings` reads what the commands read, and `opening` makes of it what the functions take.
Silent: progress goes to a function of the caller's, what goes wrong is raised as an OutboxError.
"""

from scripts.client import opening
from scripts.client.accounting import Account
from scripts.client.batch import Batch
from scripts.client.canceling import Cancellation, cancel
from scripts.client.deployment import Deployment
from scripts.client.entries import Entry
from scripts.client.fetcher import Fetched
from scripts.client.fetching import FetchReport, fetch
from scripts.client.indexing import IndexReport, index
from scripts.client.items import Item
from scripts.client.journal import Journal
from scripts.client.limits import Limits
from scripts.client.naming import Naming
from scripts.client.result_reading import Result, results
from scripts.client.selection import Selection
from scripts.client.sending import Receipt
from scripts.client.settings import Overrides, Settings, read_settings
from scripts.client.sources import Reading, find_items
from scripts.client.standing import JobStatus, status
from scripts.client.states import State
from scripts.client.submitting import Submission, resume, submit
from scripts.client.waiting import wait

__all__ = [
    "Account",
    "Batch",
    "Cancellation",
    "Deployment",
    "Entry",
    "FetchReport",
    "Fetched",
    "IndexReport",
    "Item",
    "JobStatus",
    "Journal",
    "Limits",
    "Naming",
    "Overrides",
    "Reading",
    "Receipt",
    "Result",
    "Selection",
    "Settings",
    "State",
    "Submission",
    "cancel",
    "fetch",
    "find_items",
    "index",
    "opening",
    "read_settings",
    "results",
    "resume",
    "status",
    "submit",
    "wait",
]
