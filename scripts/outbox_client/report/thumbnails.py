"""Small pictures of a few pages: bounded in number, in size, and in what is read for them."""

import base64
import hashlib
import io
import itertools
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from truss_outbox.contract.errors import OutboxError
from truss_outbox.contract.keys import artifact_key
from truss_outbox.contract.manifest import Artifact, check_artifact

from ..bucket.bucket import Bucket
from .survey import Sampled

MOST = 24
_LARGEST_BYTES = 8 << 20
_LARGEST_PIXELS = 20_000_000
_LARGEST_SIDE = 320
_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises


@dataclass(frozen=True, kw_only=True, slots=True)
class Thumbnail:
    """A JPEG as a data URI."""

    item: str
    page: str
    width: int
    height: int
    uri: str


def thumbnails(sample: Iterable[Sampled], *, bucket: Bucket) -> list[Thumbnail]:
    """At most 24, first pages first; what cannot be read is left out. Raises nothing of its own."""
    results = sorted(sample, reverse=True)
    by_page = itertools.chain.from_iterable(
        ((result, result.pages[page]) for result in results if page < len(result.pages))
        for page in range(max((len(result.pages) for result in results), default=0))
    )
    chosen = sorted(itertools.islice(by_page, MOST), key=lambda one: (one[0].item, one[1].name))
    # Read by several, scaled by one: a picture takes much more memory than its file.
    read = bucket.in_threads(lambda one: (*one, _read(*one, bucket=bucket)), chosen)
    made = (_scaled(result, page, data) for result, page, data in read if data is not None)
    return sorted((one for one in made if one), key=lambda one: (one.item, one.page))


def _read(result: Sampled, page: Artifact, *, bucket: Bucket) -> bytes | None:
    if page.size > _LARGEST_BYTES:
        return None
    try:
        key = artifact_key(result.key, result.attempt, page.name)
        data = bucket.get(key, max_bytes=page.size)
        check_artifact(page, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    except OutboxError:
        return None
    return data


def _scaled(result: Sampled, page: Artifact, data: bytes) -> Thumbnail | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our bound is lower
            # No other decoder gets to see bytes from the bucket.
            picture = Image.open(io.BytesIO(data), formats=["PNG"])
        if picture.width * picture.height > _LARGEST_PIXELS:
            return None
        small = picture.convert("RGB")
    except _BROKEN:
        return None
    small.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=70, optimize=True)
    return Thumbnail(
        item=result.item,
        page=page.name,
        width=small.width,
        height=small.height,
        uri=f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}",
    )
