"""What the companion's commands call: `submit`, `wait`, `fetch`. Silent: its callers print."""

from scripts.client.accounting import Account
from scripts.client.batch import Batch
from scripts.client.canceling import Cancellation, cancel
from scripts.client.deployment import Deployment
from scripts.client.entries import Entry
from scripts.client.fetching import Fetched, FetchReport, fetch
from scripts.client.items import Item
from scripts.client.journal import Journal
from scripts.client.limits import Limits
from scripts.client.naming import Naming
from scripts.client.sending import Receipt
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
    "Item",
    "JobStatus",
    "Journal",
    "Limits",
    "Naming",
    "Reading",
    "Receipt",
    "State",
    "Submission",
    "cancel",
    "fetch",
    "find_items",
    "resume",
    "status",
    "submit",
    "wait",
]
