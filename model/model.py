"""The Truss: wiring only. `truss_outbox.serving.outbox` is a request's way."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import fastapi

from model import inference
from truss_outbox.contract import Manifest
from truss_outbox.serving.failures import without_causes
from truss_outbox.serving.open_outbox import open_outbox
from truss_outbox.serving.settings import model_info, read_settings
from truss_outbox.serving.work import Execution


class Model:
    def __init__(
        self,
        config: Mapping[str, Any],
        secrets: Mapping[str, str],
        data_dir: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._secrets = secrets
        self._data_directory = data_dir
        self._environment = environment

    @without_causes()
    def load(self) -> None:
        settings = read_settings(self._config)
        self._outbox = open_outbox(
            settings,
            self._secrets,
            model=model_info(settings, self._config, self._environment),
            inference=inference.load(settings.inference, self._data_directory),
            request_type=inference.Request,
        )

    def preprocess(self, model_input: Any, request: fastapi.Request) -> Execution | Manifest:
        request_id = request.headers.get("x-baseten-request-id")
        return self._outbox.prepare(model_input, request_id=request_id)

    def predict(self, step: Execution | Manifest) -> "Future[Manifest] | Manifest":
        # Storing begins here, not in postprocess, which Truss skips when the caller has hung up.
        return step if isinstance(step, Manifest) else self._outbox.run(step)

    async def postprocess(self, stored: "Future[Manifest] | Manifest") -> dict[str, Any]:
        if isinstance(stored, Future):
            # Shielded: a caller who hangs up must not cancel what is being stored.
            stored = await asyncio.shield(asyncio.wrap_future(stored))
        return self._outbox.pointer(stored)
