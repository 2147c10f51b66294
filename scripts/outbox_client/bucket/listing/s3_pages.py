"""S3's listings for a quarter of the processor's time that obstore takes: keys alone are read at
first, and most of what is listed is of no more interest than that."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from truss_outbox.contract.errors import OutboxError
from truss_outbox.contract.root import Root

from ..listed import ListedPage
from ..route import S3Route

if TYPE_CHECKING:
    from urllib3 import PoolManager

_AT_ONCE = 64
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_OK = 200
_PLAIN_KEY = re.compile(rb"<Key>([^<&\0-\x1f]*)</Key>")
_FORBIDDEN = b"\xef\xbf"  # as what stands for it begins, and the noncharacters
_STANDS_FOR_FORBIDDEN = "\N{REPLACEMENT CHARACTER}"
_LISTING, _TRUNCATED = b"<ListBucketResult", b"<IsTruncated>true</IsTruncated>"


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
            "maxsize": _AT_ONCE,
            "retries": False,
            "timeout": Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        }
        if proxy is None:
            return PoolManager(**options)
        login = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        return ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=login), **options)

    def _parsed(self, answer: bytes) -> S3Page | None:
        """None for a page of which this would not be sure to find every key."""
        entries = functools.cache(lambda: _entries(answer))
        keys = _plain_keys(answer)
        try:
            if not keys or not self._is_understood:
                keys = [entry.key for entry in entries()]
                self._is_understood = True
        except ValueError:
            return None
        is_last = _TRUNCATED not in answer
        if not keys and not is_last:  # only a token leads on
            return None
        return S3Page(
            listed=ListedPage(
                [key.removeprefix(self._own) for key in keys] if self._own else keys,
                lambda: [entry.size for entry in entries()],
                lambda: [(entry.modified_at, entry.e_tag) for entry in entries()],
            ),
            is_last=is_last,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    key: str
    size: int
    modified_at: datetime
    e_tag: str | None


def _plain_keys(answer: bytes) -> Sequence[str]:
    """All keys, where none holds what XML escapes or forbids; none where one does."""
    found = _PLAIN_KEY.findall(answer)
    joined = b"\n".join(found)
    if not found or len(found) != answer.count(b"<Key>") or _FORBIDDEN in joined:
        return []
    return joined.decode(errors="replace").split("\n")


def _entries(answer: bytes) -> list[_Entry]:
    """Raises ValueError for what is no listing."""
    from xml.etree import ElementTree  # noqa: PLC0415  # which few pages need

    try:
        listing = ElementTree.fromstring(answer)  # noqa: S314  # the bucket's, as botocore reads it
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    return [_entry(one.findtext) for one in listing.iterfind("{*}Contents")]


def _entry(text_of: Callable[[str], str | None]) -> _Entry:
    key = text_of("{*}Key") or ""
    if _STANDS_FOR_FORBIDDEN in key:
        raise ValueError("a server may have written it for what XML forbids")
    return _Entry(
        key=key,
        size=int(text_of("{*}Size") or ""),
        modified_at=datetime.fromisoformat(text_of("{*}LastModified") or ""),
        e_tag=text_of("{*}ETag"),
    )
