"""A Truss's servers, the slots on them, and what keeps them up."""

from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.local_baseten.deployment import Deployment
from scripts.local_baseten.model_client import ModelClient
from scripts.local_baseten.service_settings import ServiceSettings
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.truss_layout import TrussLayout
from scripts.local_baseten.truss_server import TrussServer


class Replicas:
    """`environment` is added to the servers' own. `on_change` is called when one has changed."""

    def __init__(
        self,
        layout: TrussLayout,
        model: ModelClient,
        *,
        settings: ServiceSettings,
        environment: Mapping[str, str],
        state_directory: Path,
        on_change: Callable[[], None],
    ) -> None:
        def changed() -> None:
            self.slots.hand_out()
            on_change()

        self.servers = [
            TrussServer(
                layout,
                model,
                environment=environment,
                state_directory=state_directory / str(number),
                on_change=changed,
            )
            for number in range(settings.replicas)
        ]
        self.slots = Slots(self.servers, per_server=settings.concurrency_target)
        self.deployment = Deployment(
            self.servers, self.slots, scale_to_zero_seconds=settings.scale_to_zero_seconds
        )
