"""An Outbox around the tiny inference and a store in memory."""

import pytest

from model.artifacts import KeyTemplate, ModelInfo
from model.artifacts.keys import DEFAULT_TEMPLATE
from model.artifacts.stores.memory import MemoryStore
from model.downloads import Downloader
from model.outbox import Outbox
from model.uploads import BoundedExecutor
from tests.tiny_inference import Request, load


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
