"""A service whose model is the real library in this process, and that can be told to misbehave."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from starlette.requests import Request

from outbox_client.errors import RefusedRequestError, ServiceError
from outbox_client.service.api import QueueStatus, RequestStatus, bare_id
from truss_outbox import Outbox

_REPEATED = {500, 502, 503, 504}


def _unchanged(request_id: str, _: int) -> str:
    return request_id


@dataclass
class LibraryService:
    """Implements ModelApi. What is submitted runs when its status is asked for, unless `held`.

    `refusals` are raised by the next submits, `lost` by those that are taken all the same; `sync`
    is raised by calls. `received` makes the header of an attempt out of the id and the attempt's
    number.
    """

    outbox: Outbox
    held: bool = False
    repeats: bool = True
    refusals: list[ServiceError] = field(default_factory=list)
    lost: list[ServiceError] = field(default_factory=list)
    sync: ServiceError | None = None
    suffix: str = ""
    received: Callable[[str, int], str | None] = _unchanged
    statuses: dict[str, RequestStatus] = field(default_factory=dict)
    canceled: list[str] = field(default_factory=list)
    _bodies: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def submit(self, body: Mapping[str, Any]) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        request_id = uuid.uuid4().hex + self.suffix
        self._bodies[bare_id(request_id)] = body
        self.statuses[bare_id(request_id)] = RequestStatus(status="QUEUED")
        if self.lost:
            self._run(bare_id(request_id))
            raise self.lost.pop(0)
        return request_id

    def predict(self, model_input: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.sync is not None:
            raise self.sync
        try:
            return self.answer(model_input, uuid.uuid4().hex)
        except HTTPException as error:
            raise RefusedRequestError(str(error.detail), status=error.status_code) from error

    def status(self, request_id: str) -> RequestStatus:
        if not self.held and self.statuses[bare_id(request_id)].status == "QUEUED":
            self._run(bare_id(request_id))
        return self.statuses[bare_id(request_id)]

    def cancel(self, request_id: str) -> bool:
        self.canceled.append(request_id)
        return True

    def queue_status(self) -> QueueStatus:
        return QueueStatus(queued=0, in_progress=0)

    def answer(self, model_input: Mapping[str, Any], received: str | None) -> Mapping[str, Any]:
        """What the model does with an attempt."""
        headers = [] if received is None else [(b"x-baseten-request-id", received.encode())]
        caller = Request({"type": "http", "headers": headers})

        async def answered() -> Mapping[str, Any]:
            work = await self.outbox.store(self.outbox.begin(model_input, caller), _no_inference)
            return await self.outbox.finish(work)

        return asyncio.run(answered())

    def _run(self, request_id: str) -> None:
        body = self._bodies[request_id]
        attempts = body["inference_retry_config"]["max_attempts"] if self.repeats else 1
        for attempt in range(1, attempts + 1):
            try:
                self.answer(body["model_input"], self.received(request_id + self.suffix, attempt))
            except HTTPException as error:
                failed = ("MODEL_PREDICT_ERROR", str(error.detail))
                self.statuses[request_id] = RequestStatus(status="FAILED", errors=(failed,))
                if error.status_code not in _REPEATED:
                    return
            else:
                self.statuses[request_id] = RequestStatus(status="SUCCEEDED")
                return


def _no_inference(model_input: Any, directory: Path) -> None:
    raise AssertionError("a canary needs no inference")
