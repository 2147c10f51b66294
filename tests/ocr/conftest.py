"""The OCR behind the stand-in: what is tested here is left out with another inference."""

import uuid
from collections.abc import Iterator

import pytest

from local_baseten.running import LocalBaseten, running_locally
from tests.tiny_truss import PROJECT


@pytest.fixture(scope="session")
def ocr(tmp_path_factory) -> Iterator[LocalBaseten]:
    """The project's own Truss, as `outbox serve . --bucket DIR` runs it."""
    with running_locally(
        PROJECT,
        state_directory=tmp_path_factory.mktemp("ocr-state"),
        bucket_directory=tmp_path_factory.mktemp("ocr-bucket"),
        # More threads cost more processor time in all, which other tests wait for.
        environment={"OUTBOX_INFERENCE": '{"threads": 1}'},
    ) as running:
        yield running


@pytest.fixture
def job() -> str:
    return uuid.uuid4().hex
