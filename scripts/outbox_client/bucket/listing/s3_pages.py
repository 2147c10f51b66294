"""S3's listings for a quarter of the processor's time that obstore takes: keys alone are read, and
those only where they are asked for."""

import functools
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from urllib.parse import quote

from truss_outbox.contract.errors import OutboxError
from truss_outbox.contract.root import Root

from ..listed import ListedPage, StoredObject
from ..route import S3Route
from .signed_requests import SignedRequests
from .spans import NotGivenError

_KEY, _SIZE, _MODIFIED, _E_TAG = (
    re.compile(f"<{name}>([^<]*)</{name}>") for name in ("Key", "Size", "LastModified", "ETag")
)
_KEY_COUNT, _HEAD = re.compile("<KeyCount>([0-9]+)</KeyCount>"), 2000
_QUOTE = re.compile("&(quot|#34|#x22);")  # all that is escaped in a tag
_CONTROL = bytes(range(32))
_FORBIDDEN = re.compile("[\ufffd-\uffff]")  # the first stands for others, as servers write them
_LISTING, _LISTING_END = b"<ListBucketResult", b"</ListBucketResult>"
_GOES_ON, _ENDS = b"<IsTruncated>true</IsTruncated>", b"<IsTruncated>false</IsTruncated>"
_ENTRY, _ENTRY_END, _NAME, _NAME_END = b"<Contents", b"</Contents>", b"<Key>", b"</Key>"


class S3Page:
    """A page as the bucket wrote it.

    `last_key` is the one to go on after, empty where there is none. `is_last`: nothing comes after.
    """

    def __init__(self, answer: bytes, *, own: str) -> None:
        """`own` comes before all keys. Raises ValueError where it is not clear whether there are
        any, what the last one is, or whether something comes after it."""
        self._answer, self._own = answer, own
        self.is_last = _GOES_ON not in answer
        has_entries = _ENTRY in answer
        is_whole = answer[-100:].rstrip().endswith(_LISTING_END)
        if (
            not is_whole
            or (self.is_last and _ENDS not in answer)
            or not (self.is_last or has_entries)
        ):
            raise ValueError("where it ends is not clear")
        last = _last_key(answer) if has_entries else ""
        self.last_key = last.removeprefix(own)

    def entries(self, until: str | None) -> memoryview | None:
        """All that is said, up to that key; None where that is not among those here."""
        last = self.last_key if until is None else min(until, self.last_key)
        name = b"%s%s%s" % (_NAME, (self._own + last).encode(), _NAME_END)
        place = self._answer.rfind(name)
        if place < 0:
            return None
        end = self._answer.rfind(_ENTRY_END) if last == self.last_key else place + len(name)
        return memoryview(self._answer)[self._answer.find(_ENTRY) : end]

    def listed(self) -> ListedPage:
        """Raises NotGivenError where this would not be sure to find every key."""
        own = self._own
        try:
            # A pattern of bytes takes twice as long.
            text = self._answer.decode()
            keys = _plain_keys(text)
            at = partial(_at, functools.cache(lambda: text.split("<Contents>")[1:]), own)
            if keys:
                _at(lambda: text.split("<Contents>", 2)[1:], own, 0)
        except (ValueError, IndexError) as error:
            raise NotGivenError from error
        return ListedPage([key.removeprefix(own) for key in keys] if own else keys, at)


class S3Pages:
    """Safe to use from several threads.

    It asks where obstore would and signs with the same credentials, but tells no error and repeats
    nothing: obstore does both. After an error it asks no more.
    """

    def __init__(self, route: S3Route, root: Root) -> None:
        self._requests = SignedRequests(route)
        self._own = root.object_name("")
        self._fails = False

    def page(self, prefix: str, *, after: str | None) -> S3Page:
        """Up to a thousand keys below `prefix`. Raises NotGivenError."""
        if self._fails:
            raise NotGivenError
        query = f"list-type=2&prefix={quote(self._own + prefix, safe='')}"
        if after is not None:
            query += f"&start-after={quote(self._own + after, safe='')}"
        try:
            return S3Page(self._listing(query), own=self._own)
        except ValueError as error:
            raise NotGivenError from error

    def _listing(self, query: str) -> bytes:
        """Raises NotGivenError where nothing, or something else, is answered."""
        try:
            status, answer = self._requests.get(query)
        except (OutboxError, OSError, HTTPException) as error:
            self._fails = True
            raise NotGivenError from error
        if status != HTTPStatus.OK or _LISTING not in answer[:1000]:
            self._fails = True
            raise NotGivenError
        return answer


def _plain_keys(text: str) -> Sequence[str]:
    """All keys. Raises ValueError where one is not plain."""
    keys: list[str] = _KEY.findall(text)
    _check_plain("".join(keys))
    counts = {text.count("<Contents>"), text.count("<Contents")}
    if said := _KEY_COUNT.search(text, 0, _HEAD):
        counts.add(int(said[1]))
    if counts != {len(keys)}:
        raise ValueError("not every key was found")
    return keys


def _last_key(answer: bytes) -> str:
    """Raises ValueError where it is not plain."""
    begin = answer.rindex(_NAME, answer.rindex(_ENTRY)) + len(_NAME)
    key = answer[begin : answer.index(_NAME_END, begin)].decode()
    _check_plain(key)
    return key


def _check_plain(keys: str) -> None:
    """Raises ValueError where they hold what XML escapes or forbids, as none of Outbox's does below
    a plain root."""
    data = keys.encode()
    is_plain = (
        "&" not in keys
        and len(data.translate(None, _CONTROL)) == len(data)
        and (keys.isascii() or not _FORBIDDEN.search(keys))
    )
    if not is_plain:
        raise ValueError("a key is written in another way than it is")


def _at(entries: Callable[[], Sequence[str]], own: str, place: int) -> StoredObject:
    """Raises ValueError and IndexError for what is no entry."""
    entry = entries()[place]
    key, size, modified_at, e_tag = (
        pattern.search(entry) for pattern in (_KEY, _SIZE, _MODIFIED, _E_TAG)
    )
    if key is None or size is None or modified_at is None or not modified_at[1].endswith("Z"):
        raise ValueError("no entry of a listing")
    return StoredObject(
        key=key[1].removeprefix(own),
        size=int(size[1]),
        modified_at=datetime.fromisoformat(modified_at[1]),
        e_tag=_QUOTE.sub('"', e_tag[1]) if e_tag else None,
    )
