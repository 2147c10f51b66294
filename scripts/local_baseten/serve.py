"""Serve a Truss or a Chain in the foreground, with or without a bucket of its own."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

from .buckets.s3 import BucketServer, running_bucket
from .faults.faults import Faults
from .logs import log_to_stderr
from .page.results import companion_variables
from .settings import SERVED_ID, ServiceSettings
from .stand_in import StandIn
from .state_directory import StateDirectory, private_files
from .trusses.chain_layout import ServiceLayout
from .trusses.config import environment_of
from .trusses.preparing import ModelSettings, Preparation

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AS_IT_IS = ModelSettings()


def serve(
    source: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    state_directory: Path,
    bucket_directory: Path | None = None,
    api_key: str | None = None,
    settings: ServiceSettings,
    model: ModelSettings = _AS_IT_IS,
) -> None:
    """Run the stand-in until SIGINT or SIGTERM, and leave nothing running.

    `source` is a Truss's directory, or the Python file with a Chain's entrypoint. Prints the base
    URL and the environment a companion needs, which is also written to `environment` in the state
    directory. `port` 0 takes a free one. Without an `api_key` it is one that the state directory
    keeps. `model` is how the model is run. Call it in the main thread. Raises a LocalBasetenError,
    and OSError: the port is taken.
    """
    log_to_stderr()
    faults = Faults(settings.faults, seed=settings.fault_seed)
    state = StateDirectory(state_directory.resolve())
    with (
        _signals(),
        private_files(),
        state.locked(),
        _bind(host, port) as listener,
        contextlib.ExitStack() as stack,
    ):
        api_key = api_key or state.api_key()
        preparation = Preparation(
            source=source,
            target=state.path / "truss",
            environments=state.path / "environments",
            settings=model,
        )
        layout, bucket = _prepare(preparation, bucket_directory, stack)
        base_url = _base_url(host, listener.getsockname()[1])
        for_model, for_companion = _environments(base_url, api_key, layout, bucket)
        for_model |= environment_of(model.secrets)
        preparation.tell(layout, for_model)
        layout = asyncio.run(preparation.complete(layout))
        _announce(state, for_companion, faults)
        stand_in = StandIn(
            layout=layout,
            preparation=preparation,
            environment=for_model,
            state=state,
            listener=listener,
            base_url=base_url,
            bucket_pid=bucket.pid if bucket else None,
            api_key=api_key,
            settings=settings,
            faults=faults,
        )
        uvloop.run(stand_in.run())
        # The bucket takes another second to end; Ctrl-C must not leave it running.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, and both end quietly."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio switches off Nagle's delay, 40 ms an answer, only then.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if port:
        # Not for port 0: until we listen, Linux could give another program the same free port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _base_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _prepare(
    preparation: Preparation, bucket_directory: Path | None, stack: contextlib.ExitStack
) -> tuple[ServiceLayout, BucketServer | None]:
    """Each takes a second or so: at the same time."""
    with ThreadPoolExecutor(1) as executor:
        layout = executor.submit(preparation.lay_out)
        bucket = stack.enter_context(running_bucket(bucket_directory)) if bucket_directory else None
        return layout.result(), bucket


def _environments(
    base_url: str, api_key: str, layout: ServiceLayout, bucket: BucketServer | None
) -> tuple[dict[str, str], dict[str, str]]:
    """What is added to the model's environment, and what a companion needs."""
    for_model: dict[str, str] = {}
    for_companion = {"OUTBOX_BASE_URL": base_url, "BASETEN_API_KEY": api_key}
    if layout.is_chain:
        # The key with which one Chainlet calls another.
        for_model["TRUSS_SECRET_baseten_chain_api_key"] = api_key
        for_companion["OUTBOX_CHAIN_ID"] = SERVED_ID
    if bucket is not None:
        for_model |= {
            "OUTBOX_ROOT": bucket.root,
            "OUTBOX_ENDPOINT_URL": bucket.endpoint_url,
            "TRUSS_SECRET_aws_access_key_id": bucket.access_key_id,
            "TRUSS_SECRET_aws_secret_access_key": bucket.secret_access_key,
        }
        for_companion |= bucket.environment
    entrypoint = layout.trusses[0]
    models = {**os.environ, **entrypoint.environment, **for_model}
    from_model = companion_variables(entrypoint.directory / "config.yaml", models)
    return for_model, from_model | for_companion


def _announce(state: StateDirectory, environment: dict[str, str], faults: Faults) -> None:
    path = state.write_environment(environment)
    lines = "".join(f"  export {line}\n" for line in path.read_text().splitlines())
    print(  # noqa: T201  # what this command says
        f"A stand-in for Baseten's async service, for development: {environment['OUTBOX_BASE_URL']}"
        "\nIn a browser, the same address shows what it does to those who have the API key."
        f"\nIn another terminal:\n{lines}or: set -a; . {path}; set +a",
        flush=True,
    )
    if faults:
        logger.warning("FAULTS ARE ON, as asked for: %s", faults)
