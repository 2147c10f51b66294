"""How long fetching and uploading take beside s5cmd, rclone and the AWS command line.

Same server, same objects, in turn, each in a process of its own: what a user types and waits for.
The first peer is measured against in every round; the others, which are slow, once.
"""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp

from local_baseten.buckets.s3 import BucketServer, running_bucket

from .. import PROJECT
from ..measuring import TimedRun, in_turn, ratios, timed, verdict
from .objects import TransferCase, fresh_inputs
from .peers import Peer, installed_peers

LIMIT = 1.0
_OBJECTS = (sys.executable, "-m", "scripts.bench.client.objects")
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
    """`--quick` for a look; names of peers, such as s5cmd, for these alone."""
    small, large, inputs = QUICK if "--quick" in arguments else (SMALL, LARGE, INPUTS)
    with TemporaryDirectory() as name, running_bucket(Path(name) / "bucket") as bucket:
        peers = installed_peers(bucket, [one for one in arguments if one != "--quick"])
        bench = _Bench(bucket, Path(name), peers)
        return "".join((bench.fetching(small), bench.fetching(large), bench.uploading(inputs)))


class _Bench:
    def __init__(self, bucket: BucketServer, directory: Path, peers: Sequence[Peer]) -> None:
        self._directory = directory
        self._peers = peers
        self._environment = {
            **os.environ,
            **bucket.environment,
            "AWS_DEFAULT_REGION": "us-east-1",
            "OUTBOX_HOME": str(directory / "home"),
            "RCLONE_CONFIG": os.devnull,
        }

    def fetching(self, case: TransferCase) -> str:
        """Ours verifies and renames; the others copy the manifests' and artifacts' prefixes."""
        self._run([[*_OBJECTS, "fill", case.job, str(case.count), str(case.size)]])
        target = self._directory / "target"
        outbox = [sys.executable, "-m", "outbox_client", "fetch", case.job, "--to", str(target)]
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
        staging = [*_OBJECTS, "stage", str(source)]
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
