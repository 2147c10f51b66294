"""Ctrl-C in the demo and in the set-up: one line, exit code 130, and nothing that goes on."""

import os
import re
import select
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from tests.tiny_truss import PROJECT
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CTRL_C = b"\x03"


class Terminal:
    """A command on a terminal of its own; whatever it starts is known by a variable."""

    def __init__(self, directory: Path, *command: str | Path) -> None:
        self._mark = uuid.uuid4().hex
        self._shown = b""
        self._pid, self._file = os.forkpty()
        if self._pid == 0:
            os.chdir(directory)
            variables = {**os.environ, "TERM": "xterm", "OUTBOX_TEST_MARK": self._mark}
            os.execve(command[0], [str(word) for word in command], variables)

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    def shows(self, pattern: str, *, seconds: float = 300) -> None:
        """Wait until the terminal shows it."""

        def look() -> object:
            self._read(0.1)
            return re.search(pattern, CONTROL.sub("", self.shown))

        until(look, f"{pattern!r} on the terminal", seconds=seconds)

    def press(self, key: bytes) -> None:
        os.write(self._file, key)

    def exit_code(self, *, seconds: float = 120) -> int:
        deadline = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < deadline, f"it goes on; shown: {self.shown[-2000:]}"
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def running(self) -> list[str]:
        """The command lines of what it started and what still runs."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes()
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if self._mark.encode() in variables and words:
                found.append(words.replace(b"\0", b" ").decode())
        return found

    def _read(self, seconds: float) -> bool:
        """Whether the terminal is still open."""
        if select.select([self._file], [], [], seconds)[0]:
            try:
                self._shown += os.read(self._file, 65_536)
            except OSError:  # EIO: its last process has ended
                return False
        return True


def ends_quietly(terminal: Terminal) -> None:
    """One line, exit code 130, nothing left running, the cursor back."""
    before = len(terminal.shown)
    terminal.press(CTRL_C)
    assert terminal.exit_code() == 130
    after = terminal.shown[before:]
    assert after.count("Stopped; ") == 1
    assert "Traceback" not in terminal.shown
    assert "KeyboardInterrupt" not in terminal.shown
    assert "rror" not in after
    assert terminal.shown.rfind("\x1b[?25l") <= terminal.shown.rfind("\x1b[?25h")
    until(lambda: not terminal.running(), f"the end of {terminal.running()}", seconds=5)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(r"Starting the stand-in", id="while the servers start"),
        pytest.param(r"stored\W+0/9", id="during inference"),
        pytest.param(r"fetched\W+[1-8]/9", id="while fetching"),
    ],
)
def test_the_demo_ends_at_any_moment(tmp_path, moment):
    terminal = Terminal(PROJECT, PROJECT / "scripts" / "demo", tmp_path / "demo")
    terminal.shows(moment)
    ends_quietly(terminal)


@pytest.fixture
def clone(tmp_path) -> Path:
    """The project without an environment, as `git clone` gives it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        target = tmp_path / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, target)
    return tmp_path / "clone"


def test_an_installation_that_was_interrupted_is_made_whole_by_the_next(clone):
    for begun in ("bin/python", "lib/python3*/site-packages/botocore"):
        terminal = Terminal(clone, clone / "scripts" / "demo")
        terminal.shows(r"Installing \d+ packages")
        until(lambda begun=begun: [*(clone / ".venv").glob(begun)], begun, seconds=300)
        ends_quietly(terminal)
    subprocess.run([clone / "scripts" / "setup", "--demo"], check=True)
    installed = [clone / ".venv" / "bin" / "outbox", "--version"]
    assert subprocess.run(installed, capture_output=True, check=True).stdout


def test_set_up_says_which_python_it_needs(clone):
    for python in ("/no/python", "/bin/true"):
        done = subprocess.run(
            [clone / "scripts" / "setup"], env={**os.environ, "PYTHON": python},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr == f"PYTHON={python} is no Python of 3.11 or newer.\n"
        assert not (clone / ".venv").exists()
