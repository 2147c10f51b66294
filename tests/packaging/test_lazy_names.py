"""Packages whose names load their modules when they are first asked for."""

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, sys, threading
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

class Finds:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("truss_outbox.", "outbox_client.")):
            finders.append(threading.get_ident())

def ask(name):
    together.wait()
    getattr(package, name)

package = importlib.import_module(sys.argv[1])
finders, together = [], threading.Barrier(len(package.__all__))
sys.meta_path.insert(0, Finds())
with ThreadPoolExecutor(len(package.__all__)) as threads:
    list(threads.map(ask, package.__all__))
turns = [finder for finder, _ in groupby(finders)]
assert len(turns) == len(set(turns)) > 1, turns
"""


@pytest.mark.parametrize("package", ["truss_outbox", "outbox_client"])
def test_what_several_threads_ask_for_at_once_is_loaded_by_one_after_the_other(package):
    subprocess.run([sys.executable, "-c", PROGRAM, package], check=True, timeout=60)
