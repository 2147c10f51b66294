"""Sweeps a job once and says what that took: `python -m tests.outbox_client.one_sweep`."""

import json
import re
import sys
import time
from pathlib import Path

from outbox_client import Deployment, Journal, Naming
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.following.tracker import Tracker
from outbox_client.service.api import QueueStatus
from truss_outbox.contract.keys import KeyTemplate


class NobodyAsks:
    """Implements what the tracker needs of AsyncApi: it is not to be asked about any request."""

    def queue_status(self) -> QueueStatus:
        return QueueStatus(queued=0, in_progress=0)


def main(home: str, job: str, root: str, endpoint_url: str) -> None:
    deployment = Deployment(
        api=NobodyAsks(),  # type: ignore[arg-type]
        bucket=open_bucket(root, endpoint_url=endpoint_url),
        naming=Naming(template=KeyTemplate.parse("job={job}/{item}")),
    )
    with Journal.opened(Path(home), job=job, root=root) as journal:
        tracker = Tracker(journal, deployment=deployment)
        began = time.monotonic()
        tracker.look()
        first = time.monotonic() - began
        counts = {state.value: count for state, count in journal.counts().items()}
    # Not getrusage: that begins with what the process was forked from.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    rss_bytes = int(peak[1]) * 1024
    sys.stdout.write(json.dumps({"seconds": first, "rss_bytes": rss_bytes, "counts": counts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
