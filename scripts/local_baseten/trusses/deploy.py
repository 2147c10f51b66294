"""The servers, their slots and what keeps them up, of all that is served; from the settings."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..endpoints.request_status import SERVED_ID
from ..measuring.history import History
from ..measuring.metrics import Metrics
from ..measuring.observer import Observer
from ..page.results import Results, open_model_bucket
from ..settings import ServiceSettings
from .chain_layout import ServiceLayout
from .client import ModelClient
from .layout import TrussLayout
from .scaling import Deployment
from .server import TrussServer
from .slots import Slots


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """One Truss."""

    servers: Sequence[TrussServer]
    slots: Slots
    deployment: Deployment


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployedService:
    """`entrypoint` is what requests go to; `chainlets` are what it calls, by name."""

    entrypoint: Deployed
    chainlets: Mapping[str, Deployed]

    @property
    def everything(self) -> Sequence[Deployed]:
        return [self.entrypoint, *self.chainlets.values()]

    def wake(self) -> None:
        for one in self.everything:
            one.deployment.wake()


@dataclass(frozen=True, kw_only=True, slots=True)
class Deploying:
    """`environment` is added to the models'; each server has a directory in `directory`."""

    layout: ServiceLayout
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    settings: ServiceSettings

    def deploy(
        self, model: ModelClient, *, on_change: Callable[[Sequence[TrussServer]], None]
    ) -> DeployedService:
        """Nothing is started yet. `on_change` is told when anything about a server has changed."""

        def changed() -> None:
            on_change([server for one in service.everything for server in one.servers])

        service = DeployedService(
            entrypoint=self._truss(self.layout.entrypoint, self.directory, model, changed),
            chainlets={
                name: self._truss(layout, self.directory / name, model, changed)
                for name, layout in self.layout.chainlets.items()
            },
        )
        return service

    def _truss(
        self,
        layout: TrussLayout,
        directory: Path,
        model: ModelClient,
        on_change: Callable[[], None],
    ) -> Deployed:
        def changed() -> None:
            slots.hand_out()
            on_change()

        servers = [
            TrussServer(
                layout,
                model,
                environment=self.environment,
                state_directory=directory / str(number),
                on_change=changed,
            )
            for number in range(self.settings.replicas)
        ]
        slots = Slots(servers, per_server=self.settings.concurrency_target)
        idle = self.settings.scale_to_zero_seconds
        deployment = Deployment(servers, slots, scale_to_zero_seconds=idle)
        return Deployed(servers=servers, slots=slots, deployment=deployment)

    def observer(self, *, clock: Callable[[], float]) -> Observer:
        metrics = Metrics(model_id=SERVED_ID, model_name=self.layout.entrypoint.model_name)
        return Observer(metrics, History(), clock=clock)

    def results(self) -> Results:
        """What the entrypoint stores."""
        entrypoint = self.layout.entrypoint
        environment = {**os.environ, **entrypoint.environment, **self.environment}
        return Results(lambda: open_model_bucket(entrypoint.directory / "config.yaml", environment))
