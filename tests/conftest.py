"""What all tests share: settings of the test tools, and the bucket servers."""

import contextlib
import functools
import gc
import logging
import os
import ssl
import threading
from collections.abc import Generator, Iterator
from typing import Any

import botocore.hooks
import botocore.loaders
import httpx._transports.default
import pytest
from hypothesis import settings
from xdist.remote import Producer

from local_baseten.buckets.fake_gcs import running_fake_gcs
from local_baseten.buckets.s3 import BucketServer, running_bucket
from tests.canaries import found, said, seed
from tests.groups import GroupScheduling, longest_first
from tests.tiny_truss import ocr_is_here
from truss_outbox.stores import GcsOptions, S3Options
from truss_outbox.stores.s3.client import connect

settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)  # scripts/test --all
settings.load_profile("quick")

collect_ignore = [] if ocr_is_here() else ["ocr"]

# A client parses a megabyte of AWS's descriptions, which takes 0.15 s, looks for those of all
# services, compares the name of each hook with all aliases and inspects its signature; one of HTTP
# parses all certificates of the machine. Hundreds are made here.
_load_file = functools.cache(botocore.loaders.JSONFileLoader().load_file)
botocore.loaders.JSONFileLoader.load_file = lambda _, path: _load_file(path)
_services = functools.cache(botocore.loaders.Loader().list_available_services)
botocore.loaders.Loader.list_available_services = lambda _, type_name: _services(type_name)
_alias_event_name = botocore.hooks.EventAliaser._alias_event_name
_aliases: dict[str, str] = {}
botocore.hooks.EventAliaser._alias_event_name = lambda aliaser, name: (
    _aliases.get(name) or _aliases.setdefault(name, _alias_event_name(aliaser, name))
)
_accepts_kwargs = functools.cache(botocore.hooks.accepts_kwargs)
botocore.hooks.accepts_kwargs = lambda hook: _accepts_kwargs(getattr(hook, "__func__", hook))
httpx._transports.default.create_ssl_context = lambda **how: _ssl_context(
    os.environ.get("SSL_CERT_FILE"), **how
)


@functools.cache
def _ssl_context(certificates: str | None, **how: Any) -> ssl.SSLContext:
    return httpx.create_ssl_context(**how)


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    # All modules and tests stay to the end: looking at them for garbage took a tenth of the time.
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=longest_first)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ocr_is_here():
        terminalreporter.write_line("tests/ocr is left out: model/inference is not the OCR")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory) -> Iterator[BucketServer]:
    with running_bucket(tmp_path_factory.mktemp("seaweedfs")) as bucket:
        seed("the bucket's secret key", bucket.secret_access_key)
        seed("the bucket's key id", bucket.access_key_id)
        yield bucket


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """No test may have anything print or log what was seeded."""
    report = yield
    if report.passed and (seen := found(dict(report.sections))):
        report.outcome, report.longrepr = "failed", f"its captured output holds: {seen}"
    return report


@pytest.fixture(autouse=True)
def _log_streams_end_with_their_test() -> Iterator[None]:
    """A handler that a test leaves on its captured stream would print others' errors whole."""
    before = logging.root.handlers[:]
    yield
    for handler in logging.root.handlers[:]:
        if type(handler) is logging.StreamHandler and handler not in before:
            logging.root.removeHandler(handler)


@pytest.fixture(scope="session", autouse=True)
def _silent_logs(tmp_path_factory) -> Iterator[None]:
    """Nor may any process that was started have written it to its log."""
    yield
    base = tmp_path_factory.getbasetemp()
    assert found({str(log): said(log) for log in base.rglob("*.log")}) == []


@pytest.fixture(scope="session")
def moto_options() -> Iterator[S3Options]:
    """Moto's S3 server with the bucket `outbox`; of creators at once one succeeds, as at S3."""
    # Takes half a second, which not every process needs.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.server import ThreadedMotoServer

    # Moto looks, then writes: without this, two of eight creators at once may succeed.
    answers, one_at_a_time = DomainDispatcherApplication.__call__, threading.Lock()

    def answers_creates_in_turn(app: Any, environ: dict[str, Any], start_response: Any) -> Any:
        is_create = environ.get("HTTP_IF_NONE_MATCH") == "*"
        with one_at_a_time if is_create else contextlib.nullcontext():
            return answers(app, environ, start_response)

    DomainDispatcherApplication.__call__ = answers_creates_in_turn
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = S3Options(
        endpoint_url=f"http://{host}:{port}",
        region="us-east-1",
        access_key_id="moto",
        secret_access_key="moto",
    )
    client = connect(options)
    client.create_bucket(Bucket="outbox")
    client.close()
    yield options
    server.stop()


@pytest.fixture(scope="session")
def seaweedfs_options(seaweedfs: BucketServer) -> S3Options:
    return S3Options(
        endpoint_url=seaweedfs.endpoint_url,
        access_key_id=seaweedfs.access_key_id,
        secret_access_key=seaweedfs.secret_access_key,
    )


@pytest.fixture(scope="session")
def gcs_options(tmp_path_factory) -> Iterator[GcsOptions]:
    """fake-gcs-server with the bucket `outbox`."""
    with running_fake_gcs(tmp_path_factory.mktemp("fake-gcs")) as url:
        yield GcsOptions(endpoint_url=url)
