"""The calls of S3 that clients make of a bucket, on what is in the synthetic one.

Signatures are not checked, and neither is what a client does not do.
"""

import base64
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from hashlib import md5
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .connection import Answer, Request
from .contents import Contents
from .records import Stored
from .synthetic_job import now

BUCKET = "outbox"
_PAGE_KEYS = 1000
_XML = {"Content-Type": "application/xml"}
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_RANGE = re.compile(rb"bytes=(\d*)-(\d*)\Z")


@dataclass(slots=True)
class _S3Error(Exception):
    status: int
    code: str


@dataclass(kw_only=True, slots=True)
class _Upload:
    """In parts; each is where it lies in the file, and its MD5."""

    key: str
    content_type: str
    parts: dict[int, tuple[tuple[int, int], bytes]]


_Call = Callable[[str, Request], Answer]


class S3Calls:
    """`calls` counts them by kind and by the folder they are about: `GET manifests`."""

    def __init__(self, contents: Contents) -> None:
        self.calls = Counter[str]()
        self._contents = contents
        self._uploads = dict[str, _Upload]()
        # By method and what of the query says which call it is; what it is counted as.
        self._of_objects: dict[tuple[str, str], tuple[str, _Call]] = {
            ("GET", ""): ("GET", self._read),
            ("HEAD", ""): ("HEAD", self._read),
            ("PUT", ""): ("PUT", self._put),
            ("DELETE", ""): ("DELETE", self._delete),
            ("POST", "uploads"): ("POST uploads", self._create_upload),
            ("PUT", "partNumber"): ("PUT part", self._put_part),
            ("POST", "uploadId"): ("POST complete", self._complete_upload),
            ("DELETE", "uploadId"): ("DELETE upload", self._abort_upload),
        }
        self._of_bucket: dict[tuple[str, str], tuple[str, _Call]] = {
            ("HEAD", ""): ("HEAD bucket", self._head_bucket),
            ("GET", "list-type"): ("LIST", self._list),
            ("GET", "uploads"): ("LIST uploads", self._list_uploads),
            ("POST", "delete"): ("DELETE many", self._delete_many),
        }

    def answer(self, request: Request) -> Answer:
        bucket, _, key = request.path[1:].partition("/")
        try:
            return self._answer(request, bucket, key)
        except _S3Error as error:
            return _refusal(error, request.path)

    def _answer(self, request: Request, bucket: str, key: str) -> Answer:
        query = request.query
        asked = next((name for name in _SUBRESOURCES if name in query), "") if query else ""
        call = (self._of_objects if key else self._of_bucket).get((request.method, asked))
        if bucket != BUCKET:
            raise _S3Error(404, "NoSuchBucket")
        if call is None:
            raise _S3Error(501, "NotImplemented")
        kind, answer = call
        folder = (key or request.query.get("prefix", "")).partition("/")[0]
        self.calls[f"{kind} {folder}" if folder else kind] += 1
        return answer(key, request)

    def _head_bucket(self, _: str, __: Request) -> Answer:
        return Answer(headers={"x-amz-bucket-region": "us-east-1"})

    def _read(self, key: str, request: Request) -> Answer:
        headers = request.headers
        stored = self._contents.find(key)
        if stored is None:
            raise _S3Error(404, "NoSuchKey")
        _check_tag(stored, headers)
        start, stop = _range(headers.get(b"range"), stored.size)
        answer = Answer(
            headers={
                "Content-Type": stored.content_type,
                "ETag": f'"{stored.md5}"',
                "Last-Modified": _date(stored.modified_at),
                "Accept-Ranges": "bytes",
            },
            chunks=stored.chunks(start, stop),
            size=stop - start,
        )
        if b"range" in headers:
            answer.status = 206
            answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{stored.size}"
        return answer

    def _put(self, key: str, request: Request) -> Answer:
        if b"x-amz-copy-source" in request.headers:
            raise _S3Error(501, "NotImplemented")
        if request.headers.get(b"if-none-match") == b"*" and self._contents.find(key):
            raise _S3Error(412, "PreconditionFailed")
        data = _decoded(request)
        place = self._contents.file.append(data)
        digest = md5(data, usedforsecurity=False).hexdigest()
        self._store(key, [place], digest, _content_type(request))
        return Answer(headers={"ETag": f'"{digest}"'})

    def _store(
        self, key: str, places: list[tuple[int, int]], digest: str, content_type: str
    ) -> None:
        file = self._contents.file
        stored = Stored(
            size=sum(end - start for start, end in places),
            md5=digest,
            modified_at=now(),
            content_type=content_type,
            chunks=lambda start, stop: file.chunks(places, start, stop),
        )
        self._contents.put(key, stored)

    def _delete(self, key: str, _: Request) -> Answer:
        self._contents.delete(key)
        return Answer(status=204)

    def _delete_many(self, _: str, request: Request) -> Answer:
        keys = _texts(request.body, "Key")
        for key in keys:
            self._contents.delete(key)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        quiet = b"<Quiet>true</Quiet>" in request.body
        return _document("DeleteResult", "" if quiet else deleted)

    def _create_upload(self, key: str, request: Request) -> Answer:
        upload = secrets.token_hex(8)
        self._uploads[upload] = _Upload(key=key, content_type=_content_type(request), parts={})
        about = f"<Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>"
        return _document("InitiateMultipartUploadResult", about)

    def _put_part(self, _: str, request: Request) -> Answer:
        data = _decoded(request)
        digest = md5(data, usedforsecurity=False)
        place = self._contents.file.append(data)
        number = int(request.query["partNumber"])
        self._upload(request).parts[number] = (place, digest.digest())
        return Answer(headers={"ETag": f'"{digest.hexdigest()}"'})

    def _complete_upload(self, _: str, request: Request) -> Answer:
        upload = self._upload(request)
        if request.headers.get(b"if-none-match") == b"*" and self._contents.find(upload.key):
            raise _S3Error(412, "PreconditionFailed")
        numbers = [int(text) for text in _texts(request.body, "PartNumber")]
        if not numbers or upload.parts.keys() < set(numbers):
            raise _S3Error(400, "InvalidPart")
        parts = [upload.parts[number] for number in sorted(numbers)]
        digest = md5(b"".join(one for _, one in parts), usedforsecurity=False).hexdigest()
        etag = f"{digest}-{len(parts)}"
        self._store(upload.key, [place for place, _ in parts], etag, upload.content_type)
        del self._uploads[request.query["uploadId"]]
        about = f"<Bucket>{BUCKET}</Bucket><Key>{escape(upload.key)}</Key>"
        return _document("CompleteMultipartUploadResult", f"{about}<ETag>&quot;{etag}&quot;</ETag>")

    def _abort_upload(self, _: str, request: Request) -> Answer:
        self._upload(request)
        del self._uploads[request.query["uploadId"]]
        return Answer(status=204)

    def _upload(self, request: Request) -> _Upload:
        upload = self._uploads.get(request.query["uploadId"])
        if upload is None:
            raise _S3Error(404, "NoSuchUpload")
        return upload

    def _list_uploads(self, _: str, request: Request) -> Answer:
        prefix = request.query.get("prefix", "")
        uploads = sorted((one.key, name) for name, one in self._uploads.items())
        lines = [
            f"<Upload><Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            f"<Initiated>{formatdate(now(), usegmt=True)}</Initiated></Upload>"
            for key, name in uploads
            if key.startswith(prefix)
        ]
        about = f"<Bucket>{BUCKET}</Bucket><IsTruncated>false</IsTruncated>"
        return _document("ListMultipartUploadsResult", about + "".join(lines))

    def _list(self, _: str, request: Request) -> Answer:
        query = request.query
        spelled: Callable[[str], str] = quote if "encoding-type" in query else escape
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = min(int(query.get("max-keys", _PAGE_KEYS)), _PAGE_KEYS)
        begin = f"{query['start-after']}\0" if query.get("start-after") else ""
        if token := query.get("continuation-token"):
            begin = base64.urlsafe_b64decode(token).decode()
        if delimiter:
            page = self._contents.folders_page(prefix, begin, limit, spelled, delimiter=delimiter)
        else:
            page = self._contents.page(prefix, begin, limit, spelled)
        folders = "".join(
            f"<CommonPrefixes><Prefix>{spelled(one)}</Prefix></CommonPrefixes>"
            for one in page.folders
        )
        about = [
            f"<Name>{BUCKET}</Name><Prefix>{spelled(prefix)}</Prefix><MaxKeys>{limit}</MaxKeys>",
            f"<KeyCount>{page.count + len(page.folders)}</KeyCount>",
            f"<Delimiter>{spelled(delimiter)}</Delimiter>" if delimiter else "",
            "<EncodingType>url</EncodingType>" if "encoding-type" in query else "",
            f"<IsTruncated>{'false' if page.next is None else 'true'}</IsTruncated>",
            "" if page.next is None else f"<NextContinuationToken>{_token(page.next)}",
            "" if page.next is None else "</NextContinuationToken>",
        ]
        begun = f"<ListBucketResult {_NAMESPACE}>{''.join(about)}".encode()
        end = f"{folders}</ListBucketResult>".encode()
        return Answer(headers=_XML, body=b"".join((_DECLARATION, begun, *page.lines, end)))


_SUBRESOURCES = (
    *("list-type", "partNumber", "uploadId", "uploads", "delete"),
    *("acl", "location", "policy", "tagging", "versioning", "versions"),  # which are refused
)


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _texts(document: bytes, name: str) -> list[str]:
    """Of the elements of this name."""
    every = ElementTree.fromstring(document).iter()  # noqa: S314  # our own clients'
    return [one.text or "" for one in every if one.tag.rpartition("}")[2] == name]


def _check_tag(stored: Stored, headers: dict[bytes, bytes]) -> None:
    match, none_match = headers.get(b"if-match"), headers.get(b"if-none-match")
    tags = (f'"{stored.md5}"'.encode(), b"*") if match or none_match else ()
    if match and match not in tags:
        raise _S3Error(412, "PreconditionFailed")
    if none_match in tags:
        raise _S3Error(304, "NotModified")


def _range(header: bytes | None, size: int) -> tuple[int, int]:
    match = _RANGE.match(header or b"")
    if match is None or match[0] == b"bytes=-":
        return 0, size
    if match[1]:
        start = int(match[1])
        stop = min(size, int(match[2]) + 1) if match[2] else size
    else:
        start, stop = max(0, size - int(match[2])), size
    if start >= stop:
        raise _S3Error(416, "InvalidRange")
    return start, stop


def _decoded(request: Request) -> bytes:
    """The object's bytes; the SDKs may send them in signed chunks."""
    if b"aws-chunked" not in request.headers.get(b"content-encoding", b""):
        return request.body
    return b"".join(_unchunked(request.body))


def _unchunked(body: bytes) -> Iterator[bytes]:
    place = 0
    while True:
        end = body.index(b"\r\n", place)
        size = int(body[place:end].partition(b";")[0], 16)
        if not size:
            return
        yield body[end + 2 : end + 2 + size]
        place = end + 2 + size + 2


def _content_type(request: Request) -> str:
    return request.headers.get(b"content-type", b"binary/octet-stream").decode("latin-1")


def _document(name: str, inside: str) -> Answer:
    text = f"<{name} {_NAMESPACE}>{inside}</{name}>"
    return Answer(headers=_XML, body=_DECLARATION + text.encode())


def _refusal(error: _S3Error, resource: str) -> Answer:
    if error.status == 304:
        return Answer(status=304)
    text = f"<Code>{error.code}</Code><Message>{error.code}</Message>"
    body = f"<Error>{text}<Resource>{escape(resource)}</Resource></Error>".encode()
    return Answer(status=error.status, headers=_XML, body=_DECLARATION + body)


@lru_cache(maxsize=1024)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
