"""The OCR behind the stand-in: what is tested here is left out with another inference."""

import json
import uuid
from collections.abc import Iterator

import pypdfium2
import pytest
from PIL import Image

from local_baseten.running import LocalBaseten, running_locally
from tests.tiny_truss import PROJECT

EXAMPLES = PROJECT / "data" / "examples"

# More threads cost more processor time in all, which other tests wait for.
SETTINGS = {"threads": 1, "max_page_seconds": 4, "max_decoding_bytes": 1 << 30}


# Ended with the last test of this package: an idle server takes a hundredth of a processor.
@pytest.fixture(scope="package")
def ocr(tmp_path_factory) -> Iterator[LocalBaseten]:
    """The project's own Truss, as `outbox serve . --bucket DIR` runs it."""
    with running_locally(
        PROJECT,
        state_directory=tmp_path_factory.mktemp("ocr-state"),
        bucket_directory=tmp_path_factory.mktemp("ocr-bucket"),
        environment={"OUTBOX_INFERENCE": json.dumps(SETTINGS)},
    ) as running:
        yield running


@pytest.fixture
def job() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="session")
def card() -> Image.Image:
    """The first lines of minutes.pdf on a page of the size that is read fastest."""
    with pypdfium2.PdfDocument(EXAMPLES / "minutes.pdf") as pdf:
        page = pdf[0].render(scale=150 / 72).to_pil()
    card = Image.new("RGB", (800, 740), "white")
    card.paste(page.crop((100, 120, 900, 296)), (0, 100))
    return card


@pytest.fixture(scope="session")
def card_lines() -> list[str]:
    return (EXAMPLES / "truth" / "minutes.txt").read_text("utf-8").splitlines()[:3]
