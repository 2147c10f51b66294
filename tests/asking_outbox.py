"""Taking a request through an Outbox without a server, with the tiny inference."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.requests import Request as HttpRequest

from tests.tiny_inference import Request, load
from truss_outbox import Outbox, Outputs, Work
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyTemplate
from truss_outbox.contract.manifest import Manifest
from truss_outbox.contract.root import Root
from truss_outbox.serving.decorator.stored import StoredModel, StoredResponse
from truss_outbox.serving.settings import OutboxSettings

Run = Callable[[Any, Path], Outputs]


def settings(*, template: str = DEFAULT_TEMPLATE, **values: Any) -> OutboxSettings:
    """For a store that is given to the Outbox: the root is not opened."""
    root, parsed = Root.parse("memory://test"), KeyTemplate.parse(template)
    return OutboxSettings(root=root, key_template=parsed, **values)


def answer(
    outbox: Outbox, model_input: Any, request_id: str | None = "r1", *, run: Run | None = None
) -> Manifest:
    """The manifest of what the Truss server would answer, or the HTTPException."""

    async def ask() -> Work:
        work = await outbox.store(outbox.begin(model_input, request_id=request_id), run or _run())
        await outbox.finish(work)
        return work

    manifest = asyncio.run(ask()).manifest
    assert manifest is not None
    return manifest


class Counting:
    """The tiny inference in a model that is decorated."""

    def predict(self, model_input: Request) -> Outputs:
        with TemporaryDirectory() as directory:
            outputs = _run()(model_input, Path(directory))
            files = {name: Path(path).read_bytes() for name, path in outputs.files.items()}
        return Outputs(result=outputs.result, files=files)


def answer_decorated(outbox: Outbox, model_input: Any, request_id: str | None = "r1") -> Manifest:
    """The same of a decorated model, by the steps that Truss takes with it."""
    model = StoredModel(Counting(), {})
    model._outbox = outbox
    header = (b"x-baseten-request-id", (request_id or "").encode())
    request = HttpRequest({"type": "http", "headers": [header]})

    async def ask() -> Manifest | None:
        work = await model.preprocess(model_input, request)
        assert isinstance(work, Work)
        response = await model.predict(work, request)
        assert isinstance(response, StoredResponse)
        await outbox.finish(work)
        return work.manifest

    manifest = asyncio.run(ask())
    assert manifest is not None
    return manifest


def predict(outbox: Outbox, work: Work, *, run: Run | None = None) -> "Future[Manifest]":
    """What is being stored once predict has returned."""
    storing = asyncio.run(outbox.store(work, run or _run())).storing
    assert storing is not None
    return storing


def metadata(item: str = "I", **values: Any) -> Mapping[str, Any]:
    return {"metadata": {"job": "J", "item": item}, **values}


def _run() -> Run:
    return load({}, Path()).run
