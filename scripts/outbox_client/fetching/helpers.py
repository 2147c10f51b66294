"""Results brought by several processes: Python computes on one processor at a time."""

import contextlib
import os
import pickle
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import BinaryIO, Self

from ..bucket.bucket import Bucket
from ..local_files import local_files
from .helper_process import HelperProcess, Work
from .one_result import Brought, Wanted

_MOST_PROCESSES = 4
_LEAST_WORKERS = 32
"""Of each: fewer calls at a time keep no processor busy."""

_OWN = 128
"""So many results the first process brings alone, sooner than they are shared out."""


class Helpers:
    """Processes that share the calls to a bucket. As a context: none of them is left behind."""

    def __init__(self, bucket: Bucket, *, count: int) -> None:
        """`count` are forked from this process, which has no thread and has asked nothing yet."""
        self.bucket = bucket
        self._share = bucket.waiting(workers=bucket.workers // (count + 1))
        self._helpers = list[HelperProcess]()
        self._put_off = _PutOff()
        with contextlib.suppress(OSError):  # as many as the system gives
            for _ in range(count):
                self._helpers.append(HelperProcess(self._share, older=self._helpers))

    @classmethod
    def of(cls, bucket: Bucket) -> Self:
        """As many as the processors are worth; none where none can be forked."""
        try:
            has_threads = len(os.listdir("/proc/self/task")) > 1  # noqa: PTH208  # names will do
            processors = len(os.sched_getaffinity(0))
        except (AttributeError, OSError):  # not on Linux
            return cls(bucket, count=0)
        most = min(processors, _MOST_PROCESSES, bucket.workers // _LEAST_WORKERS)
        return cls(bucket, count=0 if has_threads else max(0, most - 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._interrupt()
        for helper in self._helpers:
            helper.close()

    def bring(
        self, wanted: Iterable[Wanted], work: Work, *, is_apart: Callable[[str], bool]
    ) -> Generator[Brought, None, None]:
        """What `work` yields of all that is wanted, some of it in other processes; it is pickled.

        What is not apart, by its manifest's path, comes when all else is here, from one process.
        So does what a process that was killed had not brought. Raises what `work` raises.
        """
        if not self._helpers:
            yield from work(wanted, self.bucket)
            return
        own = work(self._own_share(wanted, is_apart), self._share)
        try:
            for helper in self._helpers:
                helper.begin(work)
            for brought in own:
                yield brought
                yield from self._come(wait=False)
            for helper in self._helpers:
                helper.end()
            yield from self._come(wait=True)
            yield from work(self._left(), self.bucket)
        except BaseException:  # also where nobody asks for more
            self._interrupt()
            own.close()
            raise

    def _own_share(
        self, wanted: Iterable[Wanted], is_apart: Callable[[str], bool]
    ) -> Iterator[Wanted]:
        apart = self._apart(wanted, is_apart)
        yield from islice(apart, _OWN)
        for one in apart:
            helper = next((each for each in self._helpers if each.has_room), None)
            if helper is None:
                yield one
            else:
                helper.give(one)

    def _apart(self, wanted: Iterable[Wanted], is_apart: Callable[[str], bool]) -> Iterator[Wanted]:
        for one in wanted:
            if is_apart(one[0].key):
                yield one
            else:
                self._put_off.add(one)

    def _come(self, *, wait: bool) -> Iterator[Brought]:
        for helper in self._helpers:
            yield from helper.brought(self.bucket.foreign, wait=wait)

    def _left(self) -> Iterator[Wanted]:
        for helper in self._helpers:
            yield from helper.given.values()
        yield from self._put_off

    def _interrupt(self) -> None:
        for helper in self._helpers:
            helper.interrupt()


class _PutOff:
    """What comes after all else; on disk, as there may be any number."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None

    def add(self, one: Wanted) -> None:
        """Raises TargetError, LocalFileError."""
        with local_files:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # the system removes it
            pickle.dump(one, self._file)

    def __iter__(self) -> Iterator[Wanted]:
        if self._file is not None:
            self._file.seek(0)
            with contextlib.suppress(EOFError):
                while True:
                    yield pickle.load(self._file)  # noqa: S301  # ours
