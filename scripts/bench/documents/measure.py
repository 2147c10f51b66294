"""What is read of pages of many kinds, beside tesseract: character error rates and seconds.

The error rate is the Levenshtein distance over the length of the truth, in reading order, white
space counting as one space. Each page is read by one after the other in the same run.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from rapidfuzz.distance import Levenshtein

from .. import PROJECT
from .flat import measure_flat
from .kinds import KINDS
from .readers import Checkout, Reading, Tesseract, reading_checkout, write_document
from .sheets import TestPage, plain

_NOT_WORSE = 0.02
_FOREIGN = "foreign"  # its limit is that the model says that it cannot read
_LIMITS = {"columns": 0.02, "formats": 0.01, "receipts": 0.01, "panoramas": 0.01}
_HEAD = """\
| kind | pages | CER ours | old | tesseract | s ours | old | tesseract | |
|---|--:|--:|--:|--:|--:|--:|--:|---|
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How one page was read by each: its error rate and seconds, None where it was not asked.

    `is_told_right`: what cannot be read is said to be so, and nothing else is.
    """

    name: str
    ours: tuple[float, float]
    old: tuple[float, float] | None
    tesseract: tuple[float, float] | None
    warnings: tuple[str, ...]
    is_told_right: bool

    def is_beyond(self, kind: str) -> bool:
        """Whether it is worse than tesseract, or than is allowed for its kind."""
        if kind == _FOREIGN or not self.is_told_right:
            return not self.is_told_right
        error = self.ours[0]
        if self.tesseract is not None and error > self.tesseract[0] + _NOT_WORSE:
            return True
        return error > _LIMITS.get(kind, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Readers:
    ours: Checkout
    old: Checkout | None
    tesseract: Tesseract

    def score(self, page: TestPage, directory: Path) -> Score:
        document = write_document(page, directory)
        ours = self.ours.read(document, dpi=page.dpi)
        old = self.old.read(document, dpi=page.dpi) if self.old is not None else None
        theirs = self.tesseract.read(page, directory)
        is_unreadable = any("cannot be read" in warning for warning in ours.warnings)
        return Score(
            name=page.name,
            is_told_right=is_unreadable != page.readable,
            ours=_scored(ours, page),
            old=None if old is None else _scored(old, page),
            tesseract=None if theirs is None else _scored(theirs, page),
            warnings=(*ours.warnings, *([ours.error] if ours.error else [])),
        )


def measure(*arguments: str) -> str:
    """The table, then each page that is beyond a limit; a line to stderr as each page is read."""
    options = _options(arguments)
    if options.flat:
        return measure_flat(quick=options.quick)
    report, beyond = [_HEAD], []
    with ExitStack() as stack:
        tesseract = Tesseract()
        readers = Readers(
            ours=stack.enter_context(reading_checkout(PROJECT)),
            old=stack.enter_context(reading_checkout(options.old)) if options.old else None,
            tesseract=tesseract,
        )
        directory = Path(stack.enter_context(TemporaryDirectory()))
        for kind in options.kinds or KINDS:
            scores = list(_scores(readers, kind, directory, quick=options.quick))
            report.append(_row(kind, scores))
            beyond += [_page_line(kind, score) for score in scores if score.is_beyond(kind)]
    missing = tesseract.missing({page.language for page in KINDS["languages"]()})
    note = f"\nTo compare every language: {missing}\n" if missing else ""
    listed = "\nPages beyond a limit: CER ours, tesseract's\n\n" if beyond else ""
    return "".join([*report, listed, *beyond, note])


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench documents", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="kind", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--quick", action="store_true", help="two pages of each kind")
    parser.add_argument("--old", type=Path, help="a checkout of another commit, set up")
    parser.add_argument(
        "--flat", action="store_true", help="instead: memory and time over many documents and pages"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"no kind of page: {', '.join(sorted(unknown))}")
    return options


def _scores(readers: Readers, kind: str, directory: Path, *, quick: bool) -> Iterator[Score]:
    for page in islice(KINDS[kind](), 2 if quick else None):
        score = readers.score(page, directory)
        sys.stderr.write(_page_line(kind, score))
        yield score


def _scored(reading: Reading, page: TestPage) -> tuple[float, float]:
    """The error rate against the truth that it comes closest to, and the seconds."""
    text = plain(reading.text)
    truths = [plain(truth) for truth in page.truths]
    return min(Levenshtein.distance(text, truth) / len(truth) for truth in truths), reading.seconds


def _row(kind: str, scores: Sequence[Score]) -> str:
    old = [score.old for score in scores if score.old is not None]
    theirs = [score.tesseract for score in scores if score.tesseract is not None]
    columns = [[score.ours for score in scores], old, theirs]
    cells = [kind, str(len(scores))]
    for place, form in ((0, ".4f"), (1, ".2f")):
        cells += [
            format(fmean(one[place] for one in column), form) if column else "-"
            for column in columns
        ]
    beyond = sum(score.is_beyond(kind) for score in scores)
    cells.append(f"{beyond} BEYOND the limit" if beyond else "within the limit")
    return f"| {' | '.join(cells)} |\n"


def _page_line(kind: str, score: Score) -> str:
    old = "" if score.old is None else f" old {score.old[0]:.3f} {score.old[1]:.2f} s,"
    theirs = (
        "-" if score.tesseract is None else f"{score.tesseract[0]:.3f} {score.tesseract[1]:.2f} s"
    )
    return (
        f"{kind}: {score.name}: {score.ours[0]:.3f} {score.ours[1]:.2f} s,{old}"
        f" tesseract {theirs} {'; '.join(score.warnings)}\n"
    )
