"""Documents that are in the bucket already: sent by reference, never through this machine."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from truss_outbox.contract.errors import InvalidInputError, NotFoundError
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from .items import Item


def stored_items(
    address: str, *, root: str, input_roots: Sequence[str], open_root: Callable[[str], Bucket]
) -> Iterator[Item]:
    """The objects below the address, or the one that is there; hidden ones are left out.

    `root` and `input_roots` are the deployed model's: it reads nothing else. `open_root` makes of
    one of them its bucket. Raises InvalidInputError where the model could not read the objects, or
    there are none, ConfigurationError where a root is none, and StoreError.
    """
    own = Root.parse(root)
    further = [Root.parse(one, setting="input_roots") for one in input_roots]
    place, key = _split(address, own, further)
    found = False
    for path, size in _objects(open_root(str(place)), key):
        found = True
        # What lies below the model's own root goes by its key: the same object then has one name
        # however the root is written.
        stored = f"{place}/{path}".removeprefix(f"{own}/")
        name = path.removeprefix(f"{key}/") if key else path
        yield Item(name=name if path != key else key.rpartition("/")[2], stored=stored, size=size)
    if not found:
        raise InvalidInputError("PATH", f"{address}: there is no object")


def _split(address: str, own: Root, further: Sequence[Root]) -> tuple[Root, str]:
    """The first root that the address lies below, and its key there."""
    written = address.rstrip("/")
    for place in (own, *further):
        # All below a further root may be asked for; below the model's own are its results.
        if written.startswith(f"{place}/") or (written == str(place) and place in further):
            key = written.removeprefix(str(place)).removeprefix("/")
            if key and any(segment in {"", ".", ".."} for segment in key.split("/")):
                raise InvalidInputError("PATH", f"{address}: has an empty, . or .. segment")
            return place, key
    raise InvalidInputError(
        "PATH",
        f"{address}: the model reads what is below its root ({own}/...) alone; copy the"
        " documents there, or name their prefix in the model's setting input_roots",
    )


def _objects(bucket: Bucket, key: str) -> Iterator[tuple[str, int]]:
    """Path and size of each object below the key; else of the one that has it."""
    prefix, found = f"{key}/" if key else "", False
    for one in bucket.objects(prefix):
        if not any(part.startswith(".") for part in one.key.removeprefix(prefix).split("/")):
            found = True
            yield one.key, one.size
    if key and not found:
        with contextlib.suppress(NotFoundError):
            yield key, bucket.size(key)
