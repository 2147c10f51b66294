"""An Outbox for the tiny inference, on a store in memory."""

import pytest

from tests.asking_outbox import settings
from tests.tiny_inference import Request
from truss_outbox import Outbox
from truss_outbox.contract.keys import DEFAULT_TEMPLATE
from truss_outbox.serving.files.download import Downloader
from truss_outbox.stores.memory import MemoryStore


@pytest.fixture
def store():
    return MemoryStore("memory://test")


@pytest.fixture
def make_outbox(store):
    def make(
        store=store,
        *,
        template=DEFAULT_TEMPLATE,
        environment=None,
        downloader=None,
        request_type=Request,
        **values,
    ):
        return Outbox(
            settings=settings(template=template, **{"max_document_bytes": 1000, **values}),
            bucket=store,
            model_name="tiny",
            request_type=request_type,
            downloader=downloader or Downloader(),
            environment=lambda: environment,
        )

    return make


@pytest.fixture
def outbox(make_outbox):
    return make_outbox()
