"""Documents that are in the bucket already: sent by reference, never through this machine."""

from collections.abc import Iterator

from truss_outbox.contract.errors import InvalidInputError

from ..bucket.bucket import Bucket
from ..bucket.open_bucket import open_bucket
from ..settings import Settings
from .items import Item


def stored_items(settings: Settings, address: str) -> Iterator[Item]:
    """The objects below the address, or the one that is there; hidden ones are left out.

    Raises InvalidInputError where the model could not read them, or there are none, and StoreError.
    """
    root, place = settings.require_root().rstrip("/"), address.rstrip("/")
    further = any(f"{place}/".startswith(f"{one}/") for one in settings.input_roots)
    if not further and not place.startswith(f"{root}/"):
        raise InvalidInputError(
            "PATH",
            f"{address}: the model reads what is below its root ({root}/...) alone; copy the"
            " documents there, or name their prefix in the model's setting input_roots",
        )
    found = False
    for name, size in _objects(settings, place):
        found = True
        # Below the root by its key: then a root written otherwise names the same object.
        stored = f"{place}/{name}" if name else place
        yield Item(
            name=name or place.rpartition("/")[2],
            stored=stored.removeprefix(f"{root}/"),
            size=size,
        )
    if not found:
        raise InvalidInputError("PATH", f"{address}: there is no object")


def _objects(settings: Settings, place: str) -> Iterator[tuple[str, int]]:
    """Names below the place, and sizes; or an empty name for the place itself."""
    found = False
    for one in _opened(settings, place).objects(""):
        if not any(part.startswith(".") for part in one.key.split("/")):
            found = True
            yield one.key, one.size
    parent, _, name = place.rpartition("/")
    if not found and _opened(settings, parent).exists(name):
        yield "", 0


def _opened(settings: Settings, place: str) -> Bucket:
    return open_bucket(place, endpoint_url=settings.endpoint_url, region=settings.region)
