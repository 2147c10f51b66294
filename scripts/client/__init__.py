"""What the companion's commands call: `submit`, `wait`, `fetch`. Silent: its callers print."""

from scripts.client.accounting import Account
from scripts.client.batch import Batch
from scripts.client.canceling import Cancellation, cancel
from scripts.client.deployment import Deployment
from scripts.client.entries import Entry
from scripts.client.fetching import Fetched, FetchReport, fetch
from scripts.client.items import Item, find_items
from scripts.client.journal import Journal
from scripts.client.naming import Naming
from scripts.client.standing import JobStatus, status
from scripts.client.states import State
from scripts.client.submitting import Receipt, Submission, submit
from scripts.client.waiting import wait

__all__ = [
    "Account",
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
    "State",
    "Submission",
    "cancel",
    "fetch",
    "find_items",
    "status",
    "submit",
    "wait",
]
