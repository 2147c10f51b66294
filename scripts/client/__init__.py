"""What the companion's commands call: `submit`, `wait`, `fetch`. Silent: its callers print."""

from scripts.client.accounting import Cancellation, JobStatus, cancel, status
from scripts.client.deployment import Deployment
from scripts.client.fetcher import Fetched
from scripts.client.fetching import FetchReport, fetch
from scripts.client.items import Item, find_items
from scripts.client.journal import Entry, Journal
from scripts.client.naming import Naming
from scripts.client.request_body import Batch
from scripts.client.selection import Selection
from scripts.client.states import State
from scripts.client.submitting import Receipt, Submission, submit
from scripts.client.waiting import wait

__all__ = [
    "Batch",
    "Cancellation",
    "Deployment",
    "Entry",
    "FetchReport",
    "Fetched",
    "Item",
    "JobStatus",
    "Journal",
    "Naming",
    "Receipt",
    "Selection",
    "State",
    "Submission",
    "cancel",
    "fetch",
    "find_items",
    "status",
    "submit",
    "wait",
]
