"""Which tests stay in one process when several run them: those of a file, and of SHARING."""

import pytest
from xdist.scheduler import LoadFileScheduling

_OCR, _END_TO_END, _LOCAL = "tests/ocr", "tests/end_to_end", "tests/local_baseten"

SHARING = (
    # One stand-in with the OCR.
    (f"{_OCR}/test_documents.py", f"{_OCR}/test_canaries.py", f"{_OCR}/test_readme.py"),
    # One inference; each page is read once.
    tuple(
        f"{_OCR}/inference/test_{name}.py"
        for name in ("artifacts", "bad_input", "examples", "formats", "settings")
    ),
    # One stand-in with the tiny Truss.
    (*(f"{_END_TO_END}/test_{name}.py" for name in ("crashes", "doctor", "page", "results")),),
    # One process that serves models of all shapes.
    tuple(
        f"tests/truss_outbox/decorated/test_{name}.py"
        for name in ("shapes", "files", "returns", "running")
    ),
    # One stand-in with the obedient Truss.
    (
        f"{_LOCAL}/endpoints/test_official_sdk.py",
        f"{_LOCAL}/endpoints/test_sync_first.py",
        f"{_LOCAL}/trusses/test_serving.py",
        f"{_LOCAL}/test_metrics.py",
    ),
)
"""Files that share what takes long to start or to read; elsewhere it is started once more."""

LONGEST = (
    *(files[0] for files in SHARING[:3]),
    "tests/faults/test_crash_matrix.py",
    "tests/faults/test_faulty_network.py",
    f"{_LOCAL}/trusses/test_surviving.py",
)
"""Begun first: begun last, one of them would still run when all others are done."""

_FIRST_OF = {file: files[0] for files in SHARING for file in files}


class GroupScheduling(LoadFileScheduling):
    """xdist's own groups (`loadgroup`) set a private name of the items that pytest 9.2 lacks."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def longest_first(item: pytest.Item) -> tuple[int, str]:
    """A key to sort by: the longest groups, then the others, each group's files together."""
    group = _group(item.nodeid)
    return (LONGEST.index(group), "") if group in LONGEST else (len(LONGEST), group)


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return _FIRST_OF.get(file, file)
