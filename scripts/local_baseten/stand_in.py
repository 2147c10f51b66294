"""The parts of the stand-in, put together."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import uvicorn

from scripts.local_baseten.api import MODEL_ID, AsyncApi
from scripts.local_baseten.application import create_application
from scripts.local_baseten.database import Database
from scripts.local_baseten.deliveries import Deliveries
from scripts.local_baseten.group_commit import GroupCommit
from scripts.local_baseten.request_queue import RequestQueue
from scripts.local_baseten.slots import Slots
from scripts.local_baseten.state_directory import Processes, StateDirectory
from scripts.local_baseten.sync_predict import SyncPredict
from scripts.local_baseten.truss_layout import TrussLayout
from scripts.local_baseten.truss_server import TrussServer
from scripts.local_baseten.webhook_attempt import DeliveryPolicy, webhook_client
from scripts.local_baseten.webhook_deliverer import WebhookDeliverer
from scripts.local_baseten.webhook_secrets import WebhookSecrets
from scripts.local_baseten.worker import Worker

logger = logging.getLogger(__name__)

_STOP_SECONDS = 1


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
    concurrency_target: int
    webhook_policy: DeliveryPolicy

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM; what runs then is taken up at the next start."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        # A kept connection could be one that the server is just closing: that would cost a
        # request an attempt. And no proxy stands between this process and its child.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        timeout = httpx.Timeout(None, connect=5)
        with contextlib.closing(Database.open(self.state.queue)) as database:
            async with (
                GroupCommit(database) as commits,
                httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as client,
                webhook_client() as webhooks,
            ):
                deliverer = WebhookDeliverer(
                    Deliveries(database),
                    commits,
                    webhooks,
                    model_id=MODEL_ID,
                    secrets=WebhookSecrets(self.state.webhook_secrets).signing,
                    policy=self.webhook_policy,
                )
                await self._run_parts(RequestQueue(database), commits, client, deliverer, stop)

    async def _run_parts(
        self,
        queue: RequestQueue,
        commits: GroupCommit,
        client: httpx.AsyncClient,
        deliverer: WebhookDeliverer,
        stop: asyncio.Event,
    ) -> None:
        server = TrussServer(
            self.layout,
            client,
            environment=self.environment,
            state_directory=self.state.path,
            on_change=lambda: self._tell(server),
        )
        slots = Slots(self.concurrency_target)
        worker = Worker(queue, commits, server, client, slots=slots, on_end=deliverer.wake)
        api = AsyncApi(queue, commits, on_submit=worker.wake)
        sync = SyncPredict(server, client, slots=slots)
        http = _HttpServer(_http_settings(create_application(api, sync, api_key=self.api_key)))
        parts = [
            asyncio.create_task(server.run()),
            asyncio.create_task(worker.run()),
            asyncio.create_task(deliverer.run()),
            asyncio.create_task(http.serve([self.listener])),
        ]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([*parts, stopped], return_when=asyncio.FIRST_COMPLETED)
        logger.info("stopping; what is queued or runs is taken up at the next start")
        http.should_exit = True
        await asyncio.wait(parts[-1:], timeout=2 * _STOP_SECONDS)
        failed = [part for part in parts if part.done() and part.exception() is not None]
        for part in (*parts, stopped):
            part.cancel()
        await asyncio.gather(*parts, stopped, return_exceptions=True)
        for part in failed:
            part.result()

    def _tell(self, server: TrussServer) -> None:
        self.state.write_processes(
            Processes(
                base_url=self.base_url,
                stand_in=os.getpid(),
                bucket=self.bucket_pid,
                truss_server=server.pid,
                model_url=server.model_url,
                model_is_ready=server.is_ready,
                failed_starts=server.failed_starts,
            )
        )


class _HttpServer(uvicorn.Server):
    """Leaves the signals alone: they end all parts, not this one first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _http_settings(application: object) -> uvicorn.Config:
    return uvicorn.Config(
        application,  # type: ignore[arg-type]
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
