"""The Truss: documents in, text and files out, all kept by `truss_outbox`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastapi

from model import inference
from truss_outbox import Outbox, Work


class Model:
    def __init__(
        self, config: Mapping[str, Any], secrets: Mapping[str, str], data_dir: Path
    ) -> None:
        self._config = config
        self._secrets = secrets
        self._data_directory = data_dir

    def load(self) -> None:
        self._outbox = Outbox.open(self._config, self._secrets, request_type=inference.Request)
        settings = self._outbox.settings.inference
        self._inference = inference.load(settings, self._data_directory)

    def preprocess(self, model_input: Any, request: fastapi.Request) -> Work:
        return self._outbox.begin(model_input, request)

    async def predict(self, work: Work) -> Work:
        # What is returned is being stored, also where the caller has hung up.
        return await self._outbox.store(work, self._inference.run)

    async def postprocess(self, work: Work) -> dict[str, Any]:
        return await self._outbox.finish(work)

    def is_healthy(self) -> bool:
        return self._outbox.is_healthy()
