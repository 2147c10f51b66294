"""The Pythons of this machine, on the PATH and of pyenv."""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@functools.cache
def find_python(version: str) -> Path | None:
    """An interpreter of `3.13` or its like; None where there is none."""
    if version == OWN:
        return Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    candidates = ([Path(on_path)] if on_path else []) + pyenv
    return next((python for python in candidates if _is(python, version)), None)


def _is(python: Path, version: str) -> bool:
    """Whether it starts: pyenv's shims are on the PATH for versions that are not chosen too."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version
