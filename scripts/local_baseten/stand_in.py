"""The parts of the stand-in, put together."""

import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from .clock import MovableClock
from .ending import Ending, run_until_ended
from .endpoints.application import create_application, names_of
from .endpoints.async_api import AsyncApi
from .endpoints.request_status import SERVED_ID
from .endpoints.server import HttpServer
from .endpoints.sync_api import SyncPredict
from .faults.faults import Faults
from .faults.faulty import FaultyModel, make_faulty
from .measuring.observer import ObservedModel, Observer, observed
from .page.page import Page
from .request_queue.database import Database
from .request_queue.deliveries import Deliveries
from .request_queue.group_commit import GroupCommit
from .request_queue.requests import RequestQueue
from .request_queue.worker import Worker
from .settings import ServiceSettings
from .state_directory import Processes, StateDirectory
from .trusses.client import ModelCaller, ModelClient
from .trusses.deploy import Deployed, Deploying
from .trusses.server import TrussServer
from .webhooks.attempt import DeliveryPolicy, webhook_client
from .webhooks.deliverer import WebhookDeliverer
from .webhooks.secret_file import WebhookSecrets

_CLAIM_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """What is open while the stand-in runs."""

    database: Database
    commits: GroupCommit
    model: ModelClient
    webhooks: httpx.AsyncClient
    clock: MovableClock
    observer: Observer


@dataclass(frozen=True, kw_only=True, slots=True)
class StandIn:
    """One model's or Chain's async service, on a socket that is bound and not yet listening.

    `faults` are those that were asked for.
    """

    deploying: Deploying
    state: StateDirectory
    listener: socket.socket
    base_url: str
    bucket_pid: int | None
    api_key: str | None = field(repr=False)
    settings: ServiceSettings
    faults: Faults

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM; what does not finish then is so at the next start."""
        with contextlib.closing(Database.open(self.state.queue)) as database:
            async with (
                GroupCommit(database) as commits,
                ModelClient(is_chain=self.deploying.layout.is_chain) as model,
                webhook_client() as webhooks,
            ):
                make_faulty(webhooks, self.faults)
                clock = MovableClock.open(self.state.clock)
                opened = _Opened(
                    database=database,
                    commits=commits,
                    model=model,
                    webhooks=webhooks,
                    clock=clock,
                    observer=self.deploying.observer(clock=clock),
                )
                await self._run_parts(opened)

    async def _run_parts(self, opened: _Opened) -> None:
        seconds = self.settings.finish_seconds
        service = self.deploying.deploy(opened.model, on_change=self._tell)
        queue, caller = self._queue(opened), self._caller(opened)
        deliverer = self._deliverer(opened)
        observer = opened.observer
        worker = Worker(
            queue,
            opened.commits,
            ObservedModel(caller, observer),
            slots=service.entrypoint.slots,
            run_seconds=self.settings.run_seconds,
            on_claim=observer.claimed,
            on_end=deliverer.wake,
        )
        api = AsyncApi(
            queue,
            opened.commits,
            on_submit=worker.wake,
            on_wake=service.wake,
            clock=opened.clock,
            limits=self.settings.limits,
            faults=self.faults,
        )
        application = create_application(
            api,
            observed(self._sync(caller, service.entrypoint).answer, observer),
            self._page(queue, opened),
            api_key=self.api_key,
            hosts=names_of(self.base_url),
            chainlets={
                name: self._sync(opened.model, chainlet, keeps_id=True).answer
                for name, chainlet in service.chainlets.items()
            },
        )
        http = HttpServer(application, finish_seconds=seconds)

        def finish() -> None:
            http.should_exit = True
            worker.finish()
            deliverer.finish()

        await run_until_ended(
            [
                *(one.deployment.run() for one in service.everything),
                observer.keep_counting(queue, opened.commits),
            ],
            [worker.run(), deliverer.run(), http.run_on(self.listener)],
            Ending.on_signals(),
            finish=finish,
            finish_seconds=seconds,
        )

    def _queue(self, opened: _Opened) -> RequestQueue:
        return RequestQueue(
            opened.database,
            clock=opened.clock,
            known_seconds=self.settings.known_seconds,
            claim_seconds=self.settings.run_seconds + _CLAIM_MARGIN_SECONDS,
        )

    def _page(self, queue: RequestQueue, opened: _Opened) -> Page:
        return Page(
            queue,
            opened.commits,
            self.deploying.results(),
            observer=opened.observer,
            clock=opened.clock,
            model_name=self.deploying.layout.entrypoint.model_name,
            wants_key=self.api_key is not None,
        )

    def _caller(self, opened: _Opened) -> ModelCaller:
        if not self.faults:
            return opened.model
        return FaultyModel(opened.model, self.faults, slow_seconds=self.settings.slow_seconds)

    def _sync(
        self, model: ModelCaller, deployed: Deployed, *, keeps_id: bool = False
    ) -> SyncPredict:
        run_seconds = self.settings.run_seconds
        return SyncPredict(model, slots=deployed.slots, run_seconds=run_seconds, keeps_id=keeps_id)

    def _deliverer(self, opened: _Opened) -> WebhookDeliverer:
        known_seconds = self.settings.known_seconds
        return WebhookDeliverer(
            Deliveries(opened.database, clock=opened.clock, known_seconds=known_seconds),
            opened.commits,
            opened.webhooks,
            model_id=SERVED_ID,
            secrets=WebhookSecrets(self.state.webhook_secrets).signing,
            policy=DeliveryPolicy(delays_seconds=self.settings.webhook_delays_seconds),
            on_attempt=opened.observer.metrics.webhook_sent,
        )

    def _tell(self, servers: Sequence[TrussServer]) -> None:
        self.state.write_processes(
            Processes(
                base_url=self.base_url,
                stand_in=os.getpid(),
                bucket=self.bucket_pid,
                servers=tuple(server.process for server in servers),
            )
        )
