"""An Outbox around the tiny inference and a store in memory."""

import pytest

from tests.tiny_inference import Request, load
from truss_outbox.contract import KeyTemplate, ModelInfo
from truss_outbox.contract.keys import DEFAULT_TEMPLATE
from truss_outbox.serving.files.download import Downloader
from truss_outbox.serving.outbox import BoundedExecutor, Outbox
from truss_outbox.stores.memory import MemoryStore


@pytest.fixture
def store():
    return MemoryStore("memory://test")


@pytest.fixture
def make_outbox(store):
    def make(
        store=store,
        *,
        version="1",
        template=DEFAULT_TEMPLATE,
        pending=2,
        environment=None,
        downloader=None,
    ):
        return Outbox(
            store=store,
            template=KeyTemplate.parse(template),
            model=ModelInfo(name="tiny", version=version, environment=environment),
            inference=load({}, None),
            request_type=Request,
            uploads=BoundedExecutor(pending),
            max_document_bytes=1000,
            downloader=downloader or Downloader(),
        )

    return make


@pytest.fixture
def outbox(make_outbox):
    return make_outbox()
