"""Which jobs a bucket has results of, or an index."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial

from truss_outbox.contract.keys import (
    SHORTENED,
    KeyTemplate,
    Segment,
    escape,
    short_segment,
    unescape,
)

from ..bucket.bucket import Bucket
from ..bucket.records import MANIFESTS, listed_manifests, read_listed
from .parts import IndexParts

_INDEX = "index/job="


def jobs_there(bucket: Bucket, template: KeyTemplate) -> dict[str, str]:
    """The jobs by the name that their index's folder has.

    Those with an index, and where keys begin with a folder for each job, those with results. Raises
    StoreError.
    """
    found = itertools.chain(_of_manifests(bucket, template), _of_index(bucket))
    return {short_segment(job): job for job in found}


def _of_manifests(bucket: Bucket, template: KeyTemplate) -> Iterator[str]:
    for above, before, after in _job_folder(template):
        for folder in bucket.folders(f"{MANIFESTS}{above}"):
            name = folder.removeprefix(f"{MANIFESTS}{above}").rstrip("/")
            if name.startswith(before) and name.endswith(after):
                text = name[len(before) : len(name) - len(after)]
                if job := _named(text, partial(_of_a_manifest, bucket, f"{above}{name}/")):
                    yield job


def _job_folder(template: KeyTemplate) -> Iterator[tuple[str, str, str]]:
    """What lies above the folders that jobs have, and what their names begin and end with."""
    above = ""
    for segment in list(template.segments())[:-1]:
        fields = [field for _, field in segment if field]
        if fields == ["job"]:
            yield above, *_around(segment)
        if fields:
            return
        above += "".join(literal for literal, _ in segment) + "/"


def _around(segment: Segment) -> tuple[str, str]:
    place = next(number for number, (_, field) in enumerate(segment) if field)
    before = "".join(literal for literal, _ in segment[: place + 1])
    return before, "".join(literal for literal, _ in segment[place + 1 :])


def _of_index(bucket: Bucket) -> Iterator[str]:
    for folder in bucket.folders("index/"):
        name = folder.rstrip("/")
        if name.startswith(_INDEX):
            text = name.removeprefix(_INDEX)
            if job := _named(text, partial(_of_a_part, bucket, text)):
                yield job


def _named(folder: str, ask: Callable[[], str | None]) -> str | None:
    """The job whose name gives the folder's; one that was too long for it is asked for."""
    if SHORTENED in folder:
        return ask()
    with contextlib.suppress(ValueError):
        job = unescape(folder)
        return job if escape(job) == folder else None
    return None


def _of_a_manifest(bucket: Bucket, prefix: str) -> str | None:
    for found in listed_manifests(bucket, prefix):
        if manifest := read_listed(bucket, found):
            return manifest.job
    return None


def _of_a_part(bucket: Bucket, folder: str) -> str | None:
    parts = IndexParts(bucket, folder=folder)
    for part in parts.read().parts:
        with parts.opened(part) as file:
            return file.job()
    return None
