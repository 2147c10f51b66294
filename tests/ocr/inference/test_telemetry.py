"""What the model reads, and that it reads, is reported to nobody."""

import os
import subprocess
import sys

from tests.tiny_truss import PROJECT

NOWHERE = "http://127.0.0.1:9"
PROGRAM = "import model.inference.reading.models, onnxruntime"


def files_after(program: str, home, **variables: str) -> list[str]:
    """What a process writes below its home: onnxruntime's reports begin with an id of the machine.

    In continuous integration it reports nothing anyway. None leaves this machine.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
        and not name.startswith(("GITHUB_", "GITLAB_"))
    }
    nowhere = {"HTTPS_PROXY": NOWHERE, "https_proxy": NOWHERE}
    environment = {**inherited, **nowhere, "HOME": str(home), **variables}
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, env=environment, check=True)
    return [file.name for file in home.rglob("*") if file.is_file()]


def test_the_model_has_its_libraries_report_nothing(tmp_path):
    assert files_after(PROGRAM, tmp_path) == []


def test_reports_can_be_turned_on(tmp_path):
    assert "deviceid" in files_after(PROGRAM, tmp_path, ORT_DISABLE_TELEMETRY="0")
