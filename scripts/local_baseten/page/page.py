"""The page at `/`: its three files, and the data they show."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from truss_outbox.contract.errors import OutboxError
from truss_outbox.contract.manifest import Manifest

from ..endpoints.addresses import path_parameter
from ..endpoints.answers import ApiError
from ..measuring.history import KEPT_SECONDS
from ..measuring.observer import Observer
from ..request_queue.group_commit import GroupCommit
from ..request_queue.request import AsyncRequest, Status
from ..request_queue.requests import RequestQueue

if TYPE_CHECKING:
    from .results import Results


def row_of(request: AsyncRequest) -> dict[str, Any]:
    """Times are seconds since 1970."""
    return {
        "request_id": request.request_id,
        "name": request.name,
        "status": request.status,
        "webhook_status": request.webhook_status,
        "priority": request.priority,
        "attempts": request.attempts,
        "max_attempts": request.retry.max_attempts,
        "created_at": request.created_at,
        "started_at": request.started_at,
        "status_at": request.status_at,
        "error": request.error and {"code": request.error.code, "message": request.error.message},
    }


def window_of(text: str) -> int:
    """In seconds. Raises ApiError 400."""
    if text.isdecimal() and len(text) < 6 and 60 <= int(text) <= KEPT_SECONDS:
        return int(text)
    raise ApiError(400, "client_error", f"window: must be 60 to {KEPT_SECONDS} seconds")


def statuses_of(names: list[str]) -> list[Status]:
    """All of them where none is named. Raises ApiError 400."""
    try:
        return list(dict.fromkeys(map(Status, names))) or list(Status)
    except ValueError:
        raise ApiError(400, "client_error", "status: no such status") from None


T = TypeVar("T")

_ROWS = 50
_NUMBER = re.compile(r"[0-9]{1,6}")
_PIECE_BYTES = 1 << 16
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
# A document may hold scripts: the browser saves or shows it, and runs nothing of it.
_ARTIFACT_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_SHOWN_TYPES = ("image/png", "image/jpeg", "image/webp", "text/plain", "application/pdf")
_TYPES = {"page.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}


@dataclass(frozen=True, kw_only=True)
class StatusPage:
    """Anybody may load its files; its data wants the API key, which the routes check."""

    queue: RequestQueue
    commits: GroupCommit
    results: "Results"
    observer: Observer
    model_name: str
    # Not asyncio's shared threads: a slow bucket would use them up for everything else.
    _readers: ThreadPoolExecutor = field(
        init=False, default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="results")
    )

    async def file(self, call: Request) -> Response:
        name = call.url.path.lstrip("/") or "page.html"
        content = files(__package__).joinpath("assets", name).read_bytes()
        return Response(content, media_type=_TYPES[name], headers=_PAGE_HEADERS)

    async def metrics(self, _: Request) -> Response:
        await self.observer.count(self.queue, self.commits)
        content = self.observer.metrics.exposition()
        return Response(content, media_type="text/plain; version=0.0.4")

    async def state(self, call: Request) -> Response:
        """`window`: the seconds that the points cover; `status`: of the requests, several."""
        window = window_of(call.query_params.get("window", "300"))
        statuses = statuses_of(call.query_params.getlist("status"))
        counts = await self.observer.count(self.queue, self.commits)
        requests = await self.commits.lightly(self.queue.latest, statuses, limit=_ROWS)
        return JSONResponse(
            {
                "now": self.observer.clock(),
                "model_name": self.model_name,
                "counts": counts,
                "window_seconds": window,
                "points": self.observer.history.points(window),
                "requests": [row_of(one) for one in requests],
            }
        )

    async def request(self, call: Request) -> Response:
        """A request, with the manifest of its result where there is one."""
        request = await self._find(call)
        manifest = await self._manifest(request)
        result = None if manifest is None else manifest.model_dump(mode="json", by_alias=True)
        return JSONResponse(row_of(request) | {"manifest": result})

    async def artifact(self, call: Request) -> Response:
        """One of the files the manifest names, by its number there."""
        manifest = await self._manifest(await self._find(call))
        text = path_parameter(call, "number")
        number = int(text) if _NUMBER.fullmatch(text) else -1
        if manifest is None or not 0 <= number < len(manifest.artifacts):
            raise ApiError(404, "client_error", "No such artifact.")
        artifact = manifest.artifacts[number]
        content = await self._read(self.results.open_artifact, manifest, number)
        # Other types are offered for saving only: HTML or SVG would be rendered as ours.
        kind = artifact.content_type.partition(";")[0]
        headers = _ARTIFACT_HEADERS | {
            "content-length": str(artifact.size),
            "content-disposition": f'attachment; filename="{artifact.name.rpartition("/")[2]}"',
        }
        kind = kind if kind in _SHOWN_TYPES else "application/octet-stream"
        return StreamingResponse(_pieces(content), headers=headers, media_type=kind)

    async def _find(self, call: Request) -> AsyncRequest:
        request = await self.commits.lightly(self.queue.find, path_parameter(call, "request_id"))
        if request is None:
            raise ApiError(404, "client_error", "No such request.")
        return request

    async def _manifest(self, request: AsyncRequest) -> Manifest | None:
        if request.result_key is None:
            return None
        return await self._read(self.results.find, request.result_key)

    async def _read(self, read: Callable[..., T], *arguments: Any) -> T:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._readers, read, *arguments)
        except OutboxError as error:
            message = "The bucket does not give the result."
            raise ApiError(502, "client_error", message, detail=type(error).__name__) from error


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    with content:
        while piece := content.read(_PIECE_BYTES):
            yield piece
