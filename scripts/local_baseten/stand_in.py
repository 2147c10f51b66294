"""The parts of the stand-in, put together."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from scripts.local_baseten.api import AsyncApi
from scripts.local_baseten.application import create_application
from scripts.local_baseten.chain_layout import ServiceLayout
from scripts.local_baseten.clock import MovableClock
from scripts.local_baseten.database import Database
from scripts.local_baseten.deliveries import Deliveries
from scripts.local_baseten.ending import Ending, run_until_ended
from scripts.local_baseten.faults import Faults
from scripts.local_baseten.faulty_model import FaultyModel
from scripts.local_baseten.faulty_webhooks import make_faulty
from scripts.local_baseten.group_commit import GroupCommit
from scripts.local_baseten.host_check import names_of
from scripts.local_baseten.http_server import HttpServer
from scripts.local_baseten.model_client import ModelCaller, ModelClient
from scripts.local_baseten.replicas import Replicas
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.request_status import SERVED_ID
from scripts.local_baseten.service_settings import ServiceSettings
from scripts.local_baseten.state_directory import Processes, ServerProcess, StateDirectory
from scripts.local_baseten.sync_predict import SyncPredict
from scripts.local_baseten.truss_layout import TrussLayout
from scripts.local_baseten.truss_server import TrussServer
from scripts.local_baseten.webhook_attempt import DeliveryPolicy, webhook_client
from scripts.local_baseten.webhook_deliverer import WebhookDeliverer
from scripts.local_baseten.webhook_secrets import WebhookSecrets
from scripts.local_baseten.worker import Worker

_CLAIM_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StandIn:
    """One model's or Chain's async service, on a socket that is bound and not yet listening.

    `environment` is added to the model's. `faults` are those that were asked for.
    """

    layout: ServiceLayout
    state: StateDirectory
    listener: socket.socket
    base_url: str
    environment: Mapping[str, str] = field(repr=False)
    bucket_pid: int | None
    api_key: str | None = field(repr=False)
    settings: ServiceSettings
    faults: Faults

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM; what does not finish then is so at the next start."""
        clock = MovableClock.open(self.state.clock)
        with contextlib.closing(Database.open(self.state.queue)) as database:
            async with (
                GroupCommit(database) as commits,
                ModelClient(is_chain=self.layout.is_chain) as model,
                webhook_client() as webhooks,
            ):
                make_faulty(webhooks, self.faults)
                deliverer = self._deliverer(database, commits, webhooks, clock)
                await self._run_parts(database, commits, model, deliverer, clock)

    async def _run_parts(
        self,
        database: Database,
        commits: GroupCommit,
        model: ModelClient,
        deliverer: WebhookDeliverer,
        clock: MovableClock,
    ) -> None:
        settings = self.settings
        queue = RequestQueue(
            database,
            clock=clock,
            known_seconds=settings.known_seconds,
            claim_seconds=settings.run_seconds + _CLAIM_MARGIN_SECONDS,
        )

        def changed() -> None:
            self._tell([server for one in everyone for server in one.servers])

        replicas = self._replicas(self.layout.entrypoint, model, changed)
        chainlets = {
            name: self._replicas(layout, model, changed, name=name)
            for name, layout in self.layout.chainlets.items()
        }
        everyone = [replicas, *chainlets.values()]

        def wake() -> None:
            for one in everyone:
                one.deployment.wake()

        caller = self._caller(model)
        worker = Worker(
            queue,
            commits,
            caller,
            slots=replicas.slots,
            run_seconds=settings.run_seconds,
            on_end=deliverer.wake,
        )
        api = AsyncApi(
            queue,
            commits,
            on_submit=worker.wake,
            on_wake=wake,
            clock=clock,
            limits=settings.limits,
            faults=self.faults,
        )
        application = create_application(
            api,
            SyncPredict(caller, slots=replicas.slots, run_seconds=settings.run_seconds),
            api_key=self.api_key,
            hosts=names_of(self.base_url),
            chainlets={
                name: SyncPredict(
                    model, slots=one.slots, run_seconds=settings.run_seconds, keeps_id=True
                )
                for name, one in chainlets.items()
            },
        )
        http = HttpServer(application, finish_seconds=settings.finish_seconds)

        def finish() -> None:
            http.should_exit = True
            worker.finish()
            deliverer.finish()

        await run_until_ended(
            [one.deployment.run() for one in everyone],
            [worker.run(), deliverer.run(), http.run_on(self.listener)],
            Ending.on_signals(),
            finish=finish,
            finish_seconds=settings.finish_seconds,
        )

    def _caller(self, model: ModelClient) -> ModelCaller:
        if not self.faults:
            return model
        return FaultyModel(model, self.faults, slow_seconds=self.settings.slow_seconds)

    def _deliverer(
        self,
        database: Database,
        commits: GroupCommit,
        client: httpx.AsyncClient,
        clock: MovableClock,
    ) -> WebhookDeliverer:
        return WebhookDeliverer(
            Deliveries(database, clock=clock, known_seconds=self.settings.known_seconds),
            commits,
            client,
            model_id=SERVED_ID,
            secrets=WebhookSecrets(self.state.webhook_secrets).signing,
            policy=DeliveryPolicy(delays_seconds=self.settings.webhook_delays_seconds),
        )

    def _replicas(
        self,
        layout: TrussLayout,
        model: ModelClient,
        on_change: Callable[[], None],
        *,
        name: str = "",
    ) -> Replicas:
        return Replicas(
            layout,
            model,
            settings=self.settings,
            environment=self.environment,
            state_directory=self.state.path / "servers" / name,
            on_change=on_change,
        )

    def _tell(self, servers: Sequence[TrussServer]) -> None:
        self.state.write_processes(
            Processes(
                base_url=self.base_url,
                stand_in=os.getpid(),
                bucket=self.bucket_pid,
                servers=tuple(
                    ServerProcess(
                        pid=server.pid,
                        url=server.url,
                        is_ready=server.is_ready,
                        failed_starts=server.failed_starts,
                    )
                    for server in servers
                ),
            )
        )
