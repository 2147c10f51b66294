"""Shares work out among processes, for a test: a process without threads, as pytest's are not.

`python -m tests.outbox_client.fetching.sharing ROOT NUMBER [OPTION=VALUE]...`, of two helpers and
NUMBER manifests, prints what was brought by whom, with how many sockets, and the names of temporary
files that they took. What is asked of a helper, it does at one manifest, of that number: it is
`killed`, raises an `error` or has a `bug`, has `met` an object that is foreign, or `waits`. Of the
first process: after so many results it has `left` the others, or `died`. With `reaped`, processes
that end are nobody's.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from outbox_client.bucket.listed import StoredObject
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.fetching.helpers import Helpers
from outbox_client.fetching.one_result import Fetched
from outbox_client.local_files import temporary_name
from outbox_client.threads import pause
from truss_outbox.contract.errors import AccessDeniedError

AT = datetime(2026, 1, 1, tzinfo=UTC)


def brought(first, asked, wanted, bucket):
    """A task's work: no bucket is asked for anything."""
    for found, digest in wanted:
        number = int(found.key.rpartition("/")[2])
        assert digest == f"of {number}"
        if os.getpid() != first:
            if number == asked.get("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if number == asked.get("error"):
                raise AccessDeniedError(found.key, "not yours")
            if number == asked.get("bug"):
                raise ZeroDivisionError
            if number == asked.get("met"):
                bucket.foreign.add("odd", "is no manifest")
            if number == asked.get("waits"):
                pause(600)
        name = temporary_name("file")
        place = f"{os.getpid()}"
        yield found.key, Fetched(item=f"{number}", key=name, place=place, files=sockets())


def share_out(root, number, asked):
    bucket = open_bucket(root)
    said = {"brought": [], "names": [temporary_name("file")], "sockets": [], "error": None}
    if "reaped" in asked:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    wanted = [
        (StoredObject(key=f"{'b/' if one % 100 == 50 else ''}{one}", size=0, modified_at=AT), one)
        for one in range(number)
    ]
    with Helpers(bucket, count=2) as helpers:
        if "died" in asked:
            sys.stdout.write(f"{json.dumps(helpers_of(os.getpid()))}\n")
            sys.stdout.flush()
        results = helpers.bring(
            ((found, f"of {one}") for found, one in wanted),
            partial(brought, os.getpid(), asked),
            is_apart=lambda path: "/" not in path,
        )
        try:
            for _, result in results:
                said["brought"].append((int(result.item), result.place))
                said["names"].append(result.key)
                said["sockets"].append(result.files)
                if len(said["brought"]) == asked.get("left"):
                    break
                if len(said["brought"]) == asked.get("died"):
                    os.kill(os.getpid(), signal.SIGKILL)
        except (AccessDeniedError, RuntimeError) as error:
            said["error"] = [type(error).__name__, str(error), *getattr(error, "__notes__", ())]
    said["foreign"] = [one.key for one in bucket.foreign]
    with suppress(ChildProcessError):
        said["still there"] = os.waitpid(-1, os.WNOHANG)
    return said | {"first": f"{os.getpid()}"}


def sockets():
    """How many this process has open."""
    count = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            count += str(one.readlink()).startswith("socket:")
    return count


def helpers_of(process):
    children = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in children.split()]


if __name__ == "__main__":
    root, number, *options = sys.argv[1:]
    asked = {name: int(value) for name, value in (option.split("=") for option in options)}
    sys.stdout.write(json.dumps(share_out(root, int(number), asked)))
