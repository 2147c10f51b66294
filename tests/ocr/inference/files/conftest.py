"""Documents' pages as pixels: what opens them is tested without reading them."""

from collections.abc import Callable
from typing import Any

import pytest

from model.inference.files.documents import open_pages
from model.inference.reading.reading import PageImage
from model.inference.settings import InferenceSettings
from tests.ocr.inference.conftest import request_for
from truss_outbox.contract.errors import InvalidInputError

Open = Callable[..., list[PageImage]]
Refused = Callable[..., InvalidInputError]


@pytest.fixture
def opened(tmp_path) -> Open:
    """Open a document's bytes; `settings` are limits, fields as a request has them."""

    def open_document(
        document: bytes, settings: dict[str, Any] | None = None, **fields: Any
    ) -> list[PageImage]:
        path = tmp_path / "document"
        path.write_bytes(document)
        request = request_for(path, **fields)
        with open_pages(request, InferenceSettings(**settings or {})) as pages:
            return [decoded.image for decoded in pages]

    return open_document


@pytest.fixture
def refused(opened) -> Refused:
    def open_refused(document: bytes, **fields: Any) -> InvalidInputError:
        with pytest.raises(InvalidInputError) as caught:
            opened(document, **fields)
        return caught.value

    return open_refused
