"""What a command loads before it does anything: its user waits for all of it."""

import subprocess
import sys

import pytest

HEAVY = ["baseten", "boto3", "google.auth", "httpx", "jinja2", "pyarrow", "rich", "stamina"]


@pytest.mark.parametrize("command", ["fetch", "status", "submit"])
def test_a_command_loads_no_library_that_it_may_not_need(command):
    program = (
        "import sys\n"
        "from scripts.outbox import app\n"
        f"app([{command!r}, '--help'], standalone_mode=False)\n"
        f"sys.stderr.write(' '.join(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
