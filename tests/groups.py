"""Which tests stay together when several processes run them (pytest-xdist, `--dist loadgroup`)."""

import pytest

SERVERS = ("ocr", "local", "obedient")
"""Session fixtures that start a Truss server: the tests of each are a group, so it starts once."""

TOGETHER = {"tests/ocr/inference/test_examples.py": "tests/ocr/inference/test_artifacts.py"}
"""Files that are in another file's group: these two read the same documents, once."""

LONGEST = (
    "ocr",
    "tests/ocr/inference/test_artifacts.py",
    "local",
    "tests/ocr/inference/test_formats.py",
    "tests/faults/test_crash_matrix.py",
    "tests/faults/test_faulty_network.py",
    "tests/local_baseten/trusses/test_surviving.py",
)
"""Groups that are begun first: begun last, one of them would run while the others are done."""


def mark_group(item: pytest.Function) -> None:
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def longest_first(item: pytest.Function) -> int:
    """A key to sort by, which keeps the order of all others."""
    group = _group(item)
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def _group(item: pytest.Function) -> str:
    file = item.nodeid.partition("::")[0]
    fixtures = item._fixtureinfo.name2fixturedefs
    for server in SERVERS:
        if server in fixtures and fixtures[server][-1].scope == "session":
            return server
    return TOGETHER.get(file, file)
