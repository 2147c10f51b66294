"""What opening a store adds to a model's start, beside the bare SDK's import."""

import resource
import statistics
import subprocess
import sys
import time

ROUNDS = 7
_OPEN = """
from truss_outbox.stores import GcsOptions, S3Options, open_store
url = "http://127.0.0.1:9"
open_store({root!r}, s3=S3Options(endpoint_url=url), gcs=GcsOptions(endpoint_url=url))
"""
# The Truss server has these before the model is loaded.
_LOADED = "import fastapi, pydantic, requests\n"
_PROGRAMS = {
    "nothing": "",
    "import boto3": "import boto3\nboto3.client('s3', region_name='x')",
    "open s3://": _OPEN.format(root="s3://bucket/prefix"),
    "import google.cloud.storage": "import google.cloud.storage",
    "open gs://": _OPEN.format(root="gs://bucket/prefix"),
}


def measure() -> str:
    """Medians over fresh processes in turn, less that of one which does nothing more."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in _PROGRAMS}
    for _ in range(ROUNDS):
        for name, program in _PROGRAMS.items():
            seconds[name].append(_run(_LOADED + program))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in seconds.items()
    }
    base_wall, base_cpu = medians.pop("nothing")
    rows = [
        f"{name:<28} {wall - base_wall:>6.3f} {cpu - base_cpu:>6.3f}"
        for name, (wall, cpu) in medians.items()
    ]
    return "\n".join([f"{'seconds':<28} {'wall':>6} {'cpu':>6}", *rows, ""])


def _run(program: str) -> tuple[float, float]:
    """Seconds by the clock, and of processor time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
