"""S3's listings for a quarter of the processor's time that obstore takes: keys alone are read at
first, and most of what is listed is of no more interest than that."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from truss_outbox.contract.errors import OutboxError
from truss_outbox.contract.root import Root

from ..listed import ListedPage, StoredObject
from ..route import S3Route

if TYPE_CHECKING:
    from urllib3 import PoolManager

_CONNECTIONS = 64
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_OK = 200
_KEY, _SIZE, _MODIFIED, _E_TAG = (
    re.compile(f"<{name}>([^<]*)</{name}>") for name in ("Key", "Size", "LastModified", "ETag")
)
_KEY_COUNT, _HEAD = re.compile("<KeyCount>([0-9]+)</KeyCount>"), 2000
_QUOTE = re.compile("&(quot|#34|#x22);")  # all that is escaped in a tag
_CONTROL = bytes(range(32))
_FORBIDDEN = re.compile("[\ufffd-\uffff]")  # the first stands for others, as servers write them
_LISTING, _TRUNCATED = b"<ListBucketResult", "<IsTruncated>true</IsTruncated>"


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Page:
    """`is_last`: nothing comes after it; else it has a key to go on after."""

    listed: ListedPage
    is_last: bool


class S3Pages:
    """Safe to use from several threads.

    It asks where obstore would and signs with the same credentials, but tells no error and repeats
    nothing: who gets no page lists by obstore, which does both. After an error it asks no more.
    """

    def __init__(self, route: S3Route, root: Root) -> None:
        self._route = route
        self._own = root.object_name("")
        path = urlsplit(route.url).path
        self._url = route.url if path else f"{route.url}/"
        self._fails = self._is_understood = False

    def page(self, prefix: str, *, after: str | None) -> S3Page | None:
        """Up to a thousand below `prefix`, under their exact keys. None: obstore is to be asked."""
        if self._fails:
            return None
        query = f"list-type=2&prefix={quote(self._own + prefix, safe='')}"
        if after is not None:
            query += f"&start-after={quote(self._own + after, safe='')}"
        answer = self._ask(query)
        if answer is None:
            self._fails = True
            return None
        return self._parsed(answer)

    def _ask(self, query: str) -> bytes | None:
        """What lists the bucket. None where nothing, or something else, was answered."""
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415  # 0.1 seconds
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        url = f"{self._url}?{query}"
        try:
            signing = self._route.credentials()
            credentials = Credentials(
                signing["access_key_id"], signing["secret_access_key"], signing.get("token")
            )
            request = AWSRequest("GET", url)
            S3SigV4Auth(credentials, "s3", self._route.region).add_auth(request)
            headers = dict(request.headers.items())
            answer = self._connections.request("GET", url, headers=headers, redirect=False)
        except (OutboxError, HTTPError):
            return None
        is_listing = answer.status == _OK and _LISTING in answer.data[:1000]
        return answer.data if is_listing else None

    @functools.cached_property
    def _connections(self) -> "PoolManager":
        """Not the SDK's own, which take as long for a request as all the rest."""
        from urllib3 import PoolManager, ProxyManager, Timeout, make_headers  # noqa: PLC0415

        bundle, proxy = self._route.ca_bundle, self._route.proxy_url
        options: dict[str, Any] = {
            "ca_cert_dir" if bundle.is_dir() else "ca_certs": str(bundle),
            "maxsize": _CONNECTIONS,
            "retries": False,
            "timeout": Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        }
        if proxy is None:
            return PoolManager(**options)
        login = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        return ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=login), **options)

    def _parsed(self, answer: bytes) -> S3Page | None:
        """None for a page of which this would not be sure to find every key."""
        try:
            # A pattern of bytes takes twice as long.
            text = answer.decode()
            keys, is_last = _plain_keys(text), _TRUNCATED not in text
            at = partial(_at, functools.cache(lambda: text.split("<Contents>")[1:]), self._own)
            if keys and not self._is_understood:
                at(0)
                self._is_understood = True
        except (ValueError, IndexError):
            return None
        if not keys and not is_last:  # only a token leads on
            return None
        own = self._own
        listed = ListedPage([key.removeprefix(own) for key in keys] if own else keys, at)
        return S3Page(listed=listed, is_last=is_last)


def _plain_keys(text: str) -> Sequence[str]:
    """All keys. Raises ValueError where one holds what XML escapes or forbids, as none of Outbox's
    does below a plain root."""
    keys: list[str] = _KEY.findall(text)
    joined = "".join(keys)
    data = joined.encode()
    is_plain = (
        "&" not in joined
        and len(data.translate(None, _CONTROL)) == len(data)
        and (joined.isascii() or not _FORBIDDEN.search(joined))
    )
    # Mostly a page begins with the number; to count takes a tenth of all that a page takes.
    count = _KEY_COUNT.search(text, 0, _HEAD)
    if not is_plain or len(keys) != (int(count[1]) if count else text.count("<Key>")):
        raise ValueError("a key is written in another way than it is")
    return keys


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
