"""An S3 server of made-up results, as far away and as wide as is wanted.

`python -m scripts.bench.scale.synthetic_s3 --job march=1000000,failed=0.01,teams=100
--latency 0.02 --bits-per-second 1e9` prints its address once it answers. The bucket is `outbox`,
any key pair will do, and what is put there stays until the server ends.

GET `/-/calls` tells the calls by kind, and more; DELETE resets it. PUT
`/-/hide?job=march&from=0&to=100` takes the results and failures of these items away, or of each
`step`th of them; `/-/show` brings them, stored just now.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .connection import OWN, Answer, Link, Request, Wire
from .contents import Contents
from .s3_calls import BUCKET, S3Calls
from .serving import answer_json, ask, run_server, running_server
from .synthetic_job import SyntheticJob


class SyntheticS3:
    """Answers calls to the bucket, and calls about itself."""

    def __init__(self, jobs: Sequence[SyntheticJob], *, latency: float, bits: float) -> None:
        self.contents = Contents(jobs)
        self._s3 = S3Calls(self.contents)
        self.wire = Wire(
            answer=self._answer, latency_seconds=latency, up=Link(bits), down=Link(bits)
        )
        self._started = time.process_time()

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(OWN):
            return self._own(request)
        return self._s3.answer(request)

    def _own(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix(OWN):
            case "GET", "calls":
                return answer_json(self._counted())
            case "DELETE", "calls":
                self._reset()
                return answer_json({})
            case "PUT", ("hide" | "show") as verb:
                query = request.query
                chosen = range(int(query["from"]), int(query["to"]), int(query.get("step", 1)))
                change = self.contents.hide if verb == "hide" else self.contents.show
                change(query["job"], chosen)
                return answer_json({})
            case _:
                return Answer(status=404)

    def _counted(self) -> dict[str, Any]:
        wire = self.wire
        return {
            "calls": dict(sorted(self._s3.calls.items())),
            "all": self._s3.calls.total(),
            "most_at_once": wire.most_at_once,
            "connections": wire.connections,
            "received_bytes": wire.received_bytes,
            "sent_bytes": wire.sent_bytes,
            "cpu_seconds": round(time.process_time() - self._started, 3),
        }

    def _reset(self) -> None:
        wire = self.wire
        self._s3.calls.clear()
        self._started = time.process_time()
        wire.most_at_once = wire.connections = wire.received_bytes = wire.sent_bytes = 0


@dataclass(frozen=True, slots=True)
class RunningS3:
    """As BucketServer, of the bucket on SeaweedFS."""

    endpoint_url: str
    root: str = f"s3://{BUCKET}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OUTBOX_ROOT": self.root,
            "OUTBOX_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "synthetic",
            "AWS_SECRET_ACCESS_KEY": "synthetic",
        }

    def counted(self) -> dict[str, Any]:
        """Calls since the last `reset`."""
        document: dict[str, Any] = json.loads(self._ask("GET", "calls"))
        return document

    def reset(self) -> None:
        self._ask("DELETE", "calls")

    def hide(self, job: str, numbers: range) -> None:
        """Of the job's items, as if they had not ended."""
        self._change("hide", job, numbers)

    def show(self, job: str, numbers: range) -> None:
        self._change("show", job, numbers)

    def _change(self, verb: str, job: str, chosen: range) -> None:
        places = f"from={chosen.start}&to={chosen.stop}&step={chosen.step}"
        self._ask("PUT", f"{verb}?job={job}&{places}")

    def _ask(self, method: str, path: str) -> bytes:
        return ask(method, f"{self.endpoint_url}{OWN}{path}")


@contextlib.contextmanager
def running_s3(*arguments: str) -> Iterator[RunningS3]:
    """In a process of its own, which ends with the block or with this one."""
    with running_server(__name__, *arguments) as address:
        yield RunningS3(address)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="synthetic_s3", description=__doc__)
    parser.add_argument(
        "--job", action="append", default=[], type=SyntheticJob.parse, help="may be repeated"
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of every call")
    parser.add_argument("--bits-per-second", type=float, default=0.0, help="each way, in all")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--render", action="store_true", help="all listings before it answers")
    return parser.parse_args(arguments)


def _main(options: argparse.Namespace) -> None:
    s3 = SyntheticS3(options.job, latency=options.latency, bits=options.bits_per_second)
    if options.render:
        s3.contents.write()
    run_server(s3.wire, port=options.port)


if __name__ == "__main__":
    _main(_options(sys.argv[1:]))
