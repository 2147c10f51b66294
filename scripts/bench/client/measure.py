"""How long fetching and uploading take beside s5cmd, rclone and the AWS command line.

Same server, same objects, in turn, each in a process of its own: what a user types and waits for.
The first peer is measured against in every round; the others, which are slow, once. The server is
on this machine, or, with `--latency` or `--bits-per-second`, as far away and as wide as they say.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp

from local_baseten.buckets.s3 import BucketServer, running_bucket

from .. import PROJECT
from ..measuring import TimedRun, in_turn, ratios, timed, verdict
from ..scale.synthetic_s3 import running_s3
from .objects import TransferCase, fresh_inputs
from .peers import PACKAGES, Peer, Server, installed_peers

LIMIT = 1.0
_PYTHON = (sys.executable, "-m")
SMALL, LARGE, INPUTS = (
    TransferCase("10,000 results of 16 KiB", "small", 10_000, 16 << 10),
    TransferCase("one result of 1 GiB", "large", 1, 1 << 30, rounds=5),
    TransferCase("2,000 inputs of 16 KiB", "inputs", 2_000, 16 << 10, rounds=5),
)
QUICK = (
    TransferCase("500 results of 16 KiB", "small", 500, 16 << 10),
    TransferCase("one result of 64 MiB", "large", 1, 64 << 20),
    TransferCase("200 inputs of 16 KiB", "inputs", 200, 16 << 10),
)


def measure(*arguments: str) -> str:
    """What is measured, and beside whom: see `--help`."""
    options = _options(arguments)
    small, large, inputs = QUICK if options.quick else (SMALL, LARGE, INPUTS)
    with TemporaryDirectory() as name:
        directory = Path(name)
        with _server(options, (small, large), directory) as server:
            bench = _Bench(server, directory, installed_peers(server, options.peers))
            if isinstance(server, BucketServer):
                bench.fill(small, large)
            if options.indexed:
                bench.index(small)
            return "".join((bench.fetching(small), bench.fetching(large), bench.uploading(inputs)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench client")
    parser.add_argument("--quick", action="store_true", help="a look, at less of everything")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of each call")
    parser.add_argument("--bits-per-second", type=float, default=0.0, help="each way, in all")
    parser.add_argument("--indexed", action="store_true", help="the small results, before")
    parser.add_argument("peers", nargs="*", help=f"these alone of {', '.join(PACKAGES)}")
    return parser.parse_args(arguments)


def _server(
    options: argparse.Namespace, cases: Sequence[TransferCase], directory: Path
) -> AbstractContextManager[Server]:
    """SeaweedFS, or far away the synthetic server, which has the results already."""
    if not options.latency and not options.bits_per_second:
        return running_bucket(directory / "bucket")
    jobs = [f"--job={case.job}={case.count},size={case.size}" for case in cases]
    way = [f"--latency={options.latency}", f"--bits-per-second={options.bits_per_second}"]
    return running_s3("--render", *jobs, *way)


class _Bench:
    def __init__(self, bucket: Server, directory: Path, peers: Sequence[Peer]) -> None:
        self._directory = directory
        self._peers = peers
        self._environment = {
            **os.environ,
            **bucket.environment,
            "AWS_DEFAULT_REGION": "us-east-1",
            "OUTBOX_HOME": str(directory / "home"),
            "RCLONE_CONFIG": os.devnull,
        }

    def fill(self, *cases: TransferCase) -> None:
        for case in cases:
            self._run(
                [[*_PYTHON, f"{__package__}.objects", case.job, str(case.count), str(case.size)]]
            )

    def index(self, case: TransferCase) -> None:
        self._run([[*_PYTHON, "outbox_client", "index", case.job]])

    def fetching(self, case: TransferCase) -> str:
        """Ours verifies and renames; the others copy the manifests' and artifacts' prefixes."""
        target = self._directory / "target"
        outbox = [*_PYTHON, "outbox_client", "fetch", case.job, "--to", str(target)]
        ways = {"outbox fetch": [[*outbox, "--json"]]} | {
            peer.name: [
                peer.download(f"{kind}/job={case.job}/", target / kind)
                for kind in ("manifests", "artifacts")
            ]
            for peer in self._peers
        }

        def prepare() -> None:
            if case.count > 1 and target.exists():
                # Not deleted yet: ext4 is slow to make files where many were deleted just now.
                target.rename(mkdtemp(dir=self._directory))
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()

        return self._compared(f"fetch {case.title}", ways, prepare, case.rounds)

    def uploading(self, case: TransferCase) -> str:
        """New inputs each time: what is there already would not be sent again."""
        source = self._directory / "source"
        staging = [*_PYTHON, f"{__package__}.staging", str(source)]
        ways = {"outbox's staging": [staging]} | {
            peer.name: [peer.upload(source, f"elsewhere/{peer.name}/")] for peer in self._peers
        }
        title, prepare = f"upload {case.title}", lambda: fresh_inputs(source, case)
        return self._compared(title, ways, prepare, case.rounds)

    def _compared(
        self,
        title: str,
        ways: dict[str, list[list[str]]],
        prepare: Callable[[], None],
        rounds: int,
    ) -> str:
        def run(commands: list[list[str]]) -> TimedRun:
            prepare()
            return self._run(commands)

        calls = {name: partial(run, commands) for name, commands in ways.items()}
        ours, *others = calls
        pair = {name: calls.pop(name) for name in (ours, *others[:1])}
        runs = in_turn(pair, rounds) | in_turn(calls, 1)
        lines = [f"{title}, {rounds} times in turn\n", *map(_row, runs, runs.values())]
        if others:
            lines.append(_comparison(others[0], runs[ours], runs[others[0]]))
        return "".join(lines)

    def _run(self, commands: Sequence[Sequence[str]]) -> TimedRun:
        return timed(commands, directory=PROJECT, environment=self._environment)


def _row(name: str, runs: Sequence[TimedRun]) -> str:
    seconds = [run.seconds for run in runs]
    peak = max(run.peak for run in runs)
    spread = f"({min(seconds):.2f}-{max(seconds):.2f})"
    return f"    {name:<18} {median(seconds):8.2f} s {spread:<15} {peak:5.0f} MiB peak\n"


def _comparison(peer: str, ours: Sequence[TimedRun], theirs: Sequence[TimedRun]) -> str:
    by_round = ratios([run.seconds for run in ours], [run.seconds for run in theirs])
    ratio, each = median(by_round), " ".join(f"{one:.2f}" for one in by_round)
    judged = verdict(LIMIT, is_met=ratio <= LIMIT)
    return f"    ours / {peer:<11} {ratio:8.2f}   ({judged}; by round: {each})\n"
