"""The parts of the stand-in, put together."""

import contextlib
import gc
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx

from .ending import run_until_ended
from .endpoints.addresses import names_of
from .endpoints.application import HttpServer, create_application
from .endpoints.async_api import AsyncEndpoints
from .endpoints.sync_api import SyncPredict
from .faults.faults import Faults
from .faults.faulty import FaultyModel, make_faulty
from .measuring.history import History
from .measuring.metrics import Metrics
from .measuring.observer import ObservedModel, Observer, observed
from .page.page import StatusPage
from .page.results import Results, open_model_bucket
from .request_queue.database import Database
from .request_queue.deliveries import Deliveries
from .request_queue.group_commit import GroupCommit
from .request_queue.requests import RequestQueue
from .request_queue.worker import Worker
from .settings import ServiceSettings
from .state_directory import MovableClock, Processes, StateDirectory
from .trusses.chain_layout import ServiceLayout
from .trusses.client import ModelCaller, ModelClient
from .trusses.launcher import SECRET_HEADER
from .trusses.preparing import Preparation
from .trusses.scaling import TrussServers
from .webhooks.attempt import DeliveryPolicy, webhook_client
from .webhooks.deliverer import WebhookDeliverer
from .webhooks.secret_file import WebhookSecrets

# Longer than any run: a claim that ends earlier would give a request that still runs to another.
_CLAIM_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """What is open while the stand-in runs; `caller` is the model behind the faults."""

    database: Database
    commits: GroupCommit
    model: ModelClient
    caller: ModelCaller
    webhooks: httpx.AsyncClient
    observer: Observer


@dataclass(frozen=True, kw_only=True, slots=True)
class StandIn:
    """One model's or Chain's async service, on a socket that is bound and not yet listening.

    `environment` is added to the models', `faults` are those that were asked for.
    """

    layout: ServiceLayout
    preparation: Preparation
    environment: Mapping[str, str] = field(repr=False)
    state: StateDirectory
    listener: socket.socket
    base_url: str
    bucket_pid: int | None
    api_key: str = field(repr=False)
    settings: ServiceSettings
    faults: Faults

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM; what does not finish then is run at the next start."""
        self.layout.connect(self.base_url)
        _spare_the_collector()
        clock = MovableClock.open(self.state.clock)
        metrics = Metrics(model_name=self.layout.trusses[0].model_name)
        with contextlib.closing(Database.open(self.state.queue)) as database:
            async with (
                GroupCommit(database) as commits,
                ModelClient(is_chain=self.layout.is_chain) as model,
                webhook_client() as webhooks,
            ):
                make_faulty(webhooks, self.faults)
                opened = _Opened(
                    database=database,
                    commits=commits,
                    model=model,
                    caller=self._behind_faults(model),
                    webhooks=webhooks,
                    observer=Observer(metrics=metrics, history=History(), clock=clock),
                )
                await self._run_parts(opened)

    def _behind_faults(self, model: ModelClient) -> ModelCaller:
        if not self.faults:
            return model
        slow_seconds = self.settings.slow_seconds
        return FaultyModel(model=model, faults=self.faults, slow_seconds=slow_seconds)

    async def _run_parts(self, opened: _Opened) -> None:
        deployed = self._deploy(opened.model)
        queue = RequestQueue(
            opened.database,
            clock=opened.observer.clock,
            known_seconds=self.settings.known_seconds,
            claim_seconds=self.settings.run_seconds + _CLAIM_MARGIN_SECONDS,
        )
        deliverer = self._deliverer(opened)
        worker = Worker(
            queue=queue,
            commits=opened.commits,
            model=ObservedModel(opened.caller, opened.observer),
            slots=deployed[0].slots,
            run_seconds=self.settings.run_seconds,
            on_claim=opened.observer.claimed,
            on_end=deliverer.wake,
        )
        http = self._http(opened, queue, worker, deployed)
        counting = opened.observer.keep_counting(queue, opened.commits)
        up_to_date = self.preparation.keep_up_to_date(
            self.layout, deployed, base_url=self.base_url, environment=self.environment
        )
        await run_until_ended(
            [*(servers.run() for servers in deployed), counting, up_to_date],
            {
                worker.run(): worker.finish,
                deliverer.run(): deliverer.finish,
                http.run_on(self.listener): http.finish,
            },
            finish_seconds=self.settings.finish_seconds,
        )

    def _http(
        self, opened: _Opened, queue: RequestQueue, worker: Worker, deployed: Sequence[TrussServers]
    ) -> HttpServer:
        def wake() -> None:
            for servers in deployed:
                servers.wake()

        entrypoint, *chainlets = deployed
        api = AsyncEndpoints(
            queue=queue,
            commits=opened.commits,
            on_submit=worker.wake,
            on_wake=wake,
            settings=self.settings,
            faults=self.faults,
        )
        entry = SyncPredict(
            model=opened.caller,
            slots=entrypoint.slots,
            limit_seconds=self.settings.sync_seconds,
        )
        # One Chainlet may wait for another for as long as a request may run.
        inner = partial(SyncPredict, keeps_id=True, limit_seconds=self.settings.run_seconds)
        application = create_application(
            api,
            observed(entry.answer, opened.observer),
            self._page(queue, opened),
            api_key=self.api_key,
            hosts=names_of(self.base_url),
            is_chain=self.layout.is_chain,
            chainlets={
                one.layout.name: inner(model=opened.model, slots=one.slots).answer
                for one in chainlets
            },
        )
        return HttpServer(application, finish_seconds=self.settings.finish_seconds)

    def _page(self, queue: RequestQueue, opened: _Opened) -> StatusPage:
        entrypoint = self.layout.trusses[0]
        config = entrypoint.directory / "config.yaml"
        environment = {**os.environ, **entrypoint.environment, **self.environment}
        return StatusPage(
            queue=queue,
            commits=opened.commits,
            results=Results(lambda: open_model_bucket(config, environment)),
            observer=opened.observer,
            model_name=entrypoint.model_name,
        )

    def _deliverer(self, opened: _Opened) -> WebhookDeliverer:
        return WebhookDeliverer(
            deliveries=Deliveries(
                opened.database,
                clock=opened.observer.clock,
                known_seconds=self.settings.known_seconds,
            ),
            commits=opened.commits,
            client=opened.webhooks,
            secrets=WebhookSecrets(self.state.webhook_secrets).signing,
            policy=DeliveryPolicy(delays_seconds=self.settings.webhook_delays_seconds),
            on_attempt=opened.observer.metrics.webhook_sent,
        )

    def _deploy(self, model: ModelClient) -> list[TrussServers]:
        """One for each Truss, the entrypoint first. Nothing is started yet."""

        def changed() -> None:
            servers = tuple(server.process for one in deployed for server in one.servers)
            self.state.write_processes(
                Processes(
                    base_url=self.base_url,
                    stand_in=os.getpid(),
                    bucket=self.bucket_pid,
                    servers=servers,
                    model_headers={SECRET_HEADER: model.secret},
                )
            )

        deployed = [
            TrussServers(
                layout=truss,
                model=model,
                directory=self.state.path / "servers" / truss.directory.name,
                environment=self.environment,
                settings=self.settings,
                on_change=changed,
                whole_tracebacks=self.preparation.settings.whole_tracebacks,
            )
            for truss in self.layout.trusses
        ]
        return deployed


def _spare_the_collector() -> None:
    """What was imported, Truss above all, stays: to look through it again and again takes time."""
    gc.collect()
    gc.freeze()
