"""How long opening the S3 store takes, beside the bare SDK."""

import statistics
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
RUNS = 7
_PROGRAM = """
import model.artifacts, time  # the contract is loaded whatever the bucket is
began = time.perf_counter()
{}
print(time.perf_counter() - began)
"""
_KEYS = "region_name='us-east-1', aws_access_key_id='id', aws_secret_access_key='key'"
_OPTIONS = "region='us-east-1', access_key_id='id', secret_access_key='key'"
PROGRAMS = {
    "import boto3": "import boto3",
    "boto3.client": f"import boto3; boto3.client('s3', {_KEYS})",
    "open_store": "from model.artifacts.stores import open_store, S3Options;"
    f" open_store('s3://bucket/prefix', s3=S3Options({_OPTIONS}))",
}


def measure() -> str:
    """Seconds in a fresh interpreter: the middle of several runs, and the slowest."""
    lines = []
    for name, program in PROGRAMS.items():
        times = [_seconds(program) for _ in range(RUNS)]
        lines.append(f"{name:<14} {statistics.median(times):.2f} s  (at most {max(times):.2f} s)\n")
    return "".join(lines)


def _seconds(program: str) -> float:
    command = [sys.executable, "-c", _PROGRAM.format(program)]
    answer = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, check=True)
    return float(answer.stdout)
