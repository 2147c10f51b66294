"""The Pythons of this machine, on the PATH and of pyenv."""

import sys

from local_baseten.trusses.environment import find_python

__all__ = ["OWN", "find_python"]

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
