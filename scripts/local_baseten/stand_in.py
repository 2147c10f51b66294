"""The parts of the stand-in, put together."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from scripts.local_baseten.api import MODEL_ID, AsyncApi
from scripts.local_baseten.application import create_application
from scripts.local_baseten.database import Database
from scripts.local_baseten.deliveries import Deliveries
from scripts.local_baseten.deployment import Deployment
from scripts.local_baseten.ending import Ending, run_until_ended
from scripts.local_baseten.group_commit import GroupCommit
from scripts.local_baseten.http_server import HttpServer
from scripts.local_baseten.model_client import ModelClient
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.service_settings import ServiceSettings
from scripts.local_baseten.slots import Slots
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
    """One model's async service, on a socket that is bound and not yet listening.

    `environment` is added to the model's.
    """

    layout: TrussLayout
    state: StateDirectory
    listener: socket.socket
    base_url: str
    environment: Mapping[str, str] = field(repr=False)
    bucket_pid: int | None
    api_key: str | None = field(repr=False)
    settings: ServiceSettings

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM; what does not finish then is so at the next start."""
        with contextlib.closing(Database.open(self.state.queue)) as database:
            async with (
                GroupCommit(database) as commits,
                ModelClient() as model,
                webhook_client() as webhooks,
            ):
                deliverer = self._deliverer(database, commits, webhooks)
                await self._run_parts(database, commits, model, deliverer)

    async def _run_parts(
        self,
        database: Database,
        commits: GroupCommit,
        model: ModelClient,
        deliverer: WebhookDeliverer,
    ) -> None:
        settings = self.settings
        queue = RequestQueue(
            database,
            known_seconds=settings.known_seconds,
            claim_seconds=settings.run_seconds + _CLAIM_MARGIN_SECONDS,
        )

        def changed() -> None:
            slots.hand_out()
            self._tell(servers)

        servers = [self._server(number, model, changed) for number in range(settings.replicas)]
        slots = Slots(servers, per_server=settings.concurrency_target)
        deployment = Deployment(
            servers, slots, scale_to_zero_seconds=settings.scale_to_zero_seconds
        )
        worker = Worker(
            queue,
            commits,
            model,
            slots=slots,
            run_seconds=settings.run_seconds,
            on_end=deliverer.wake,
        )
        api = AsyncApi(queue, commits, on_submit=worker.wake)
        sync = SyncPredict(model, slots=slots, run_seconds=settings.run_seconds)
        application = create_application(api, sync, api_key=self.api_key)
        http = HttpServer(application, finish_seconds=settings.finish_seconds)

        def finish() -> None:
            http.should_exit = True
            worker.finish()
            deliverer.finish()

        await run_until_ended(
            [deployment.run()],
            [worker.run(), deliverer.run(), http.run_on(self.listener)],
            Ending.on_signals(),
            finish=finish,
            finish_seconds=settings.finish_seconds,
        )

    def _deliverer(
        self, database: Database, commits: GroupCommit, client: httpx.AsyncClient
    ) -> WebhookDeliverer:
        return WebhookDeliverer(
            Deliveries(database, known_seconds=self.settings.known_seconds),
            commits,
            client,
            model_id=MODEL_ID,
            secrets=WebhookSecrets(self.state.webhook_secrets).signing,
            policy=DeliveryPolicy(delays_seconds=self.settings.webhook_delays_seconds),
        )

    def _server(
        self, number: int, model: ModelClient, on_change: Callable[[], None]
    ) -> TrussServer:
        return TrussServer(
            self.layout,
            model,
            environment=self.environment,
            state_directory=self.state.path / "servers" / str(number),
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
