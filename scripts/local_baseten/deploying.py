"""The model's servers and what belongs to them, made from the settings."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.local_baseten.deployment import Deployment
from scripts.local_baseten.history import History
from scripts.local_baseten.metrics import Metrics
from scripts.local_baseten.model_client import ModelClient
from scripts.local_baseten.observing import Observer
from scripts.local_baseten.request_status import SERVED_ID
from scripts.local_baseten.results import Results, open_model_bucket
from scripts.local_baseten.service_settings import ServiceSettings
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.truss_layout import TrussLayout
from scripts.local_baseten.truss_server import TrussServer


@dataclass(frozen=True, kw_only=True, slots=True)
class Deploying:
    """`environment` is added to the model's; each server has a directory in `directory`."""

    layout: TrussLayout
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    settings: ServiceSettings

    def deploy(
        self, model: ModelClient, *, on_change: Callable[[Sequence[TrussServer]], None]
    ) -> tuple[Slots, Deployment]:
        """Nothing is started yet. `on_change` is told when anything about a server has changed."""

        def changed() -> None:
            slots.hand_out()
            on_change(servers)

        servers = [self._server(str(n), model, changed) for n in range(self.settings.replicas)]
        slots = Slots(servers, per_server=self.settings.concurrency_target)
        idle = self.settings.scale_to_zero_seconds
        return slots, Deployment(servers, slots, scale_to_zero_seconds=idle)

    def observer(self, *, clock: Callable[[], float]) -> Observer:
        metrics = Metrics(model_id=SERVED_ID, model_name=self.layout.model_name)
        return Observer(metrics, History(), clock=clock)

    def results(self) -> Results:
        """What its servers store."""
        config = self.layout.directory / "config.yaml"
        environment = {**os.environ, **self.layout.environment, **self.environment}
        return Results(lambda: open_model_bucket(config, environment))

    def _server(self, name: str, model: ModelClient, on_change: Callable[[], None]) -> TrussServer:
        return TrussServer(
            self.layout,
            model,
            environment=self.environment,
            state_directory=self.directory / name,
            on_change=on_change,
        )
