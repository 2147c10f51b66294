"""What the library needs installed in a Truss's image, and which of it a Truss has already."""

import re
from collections.abc import Iterable, Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .adoption import ByHand

_DISTRIBUTION = "truss-outbox"
_EXTRAS = {"s3": "s3", "gs": "gcs"}
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_COMMENT = re.compile(r"(^|\s)#(?!egg=).*")


def needed_requirements(schemes: Iterable[str]) -> list[Requirement]:
    """Those of the installed library itself, and of what reaches roots of these schemes.

    Beside them it uses FastAPI and prometheus-client, which Truss's own server brings.
    """
    extras = [_EXTRAS[scheme] for scheme in schemes if scheme in _EXTRAS] or [""]
    declared = map(Requirement, metadata.requires(_DISTRIBUTION) or ())
    return [
        Requirement(f"{one.name}{one.specifier}")
        for one in declared
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def missing_requirements(lines: Iterable[str], needed: Iterable[Requirement]) -> list[str]:
    """Those of `needed` that no line names, in whatever version."""
    named = {canonicalize_name(one.name) for one in _requirements(lines)}
    return [str(one) for one in needed if canonicalize_name(one.name) not in named]


def unsuitable_requirements(
    lines: Iterable[str], needed: Iterable[Requirement], *, where: str
) -> Iterator[ByHand]:
    """The lines that keep the library from what it needs."""
    wanted = {canonicalize_name(one.name): one for one in needed}
    for one in _requirements(lines):
        ours = wanted.get(canonicalize_name(one.name))
        if ours is not None and not _agree(one, ours):
            yield ByHand(where=where, problem=f"{one} is too old for Outbox, which needs {ours}")


def _requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Without options, comments, and packages that are named by their place alone."""
    for line in lines:
        text = _COMMENT.sub("", line).partition(" --")[0].strip().removesuffix("\\").strip()
        if egg := _EGG.search(text):
            text = egg[1]
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue


def _agree(theirs: Requirement, ours: Requirement) -> bool:
    """Whether a version can satisfy both. Ours is always `>=` a version."""
    (least,) = (one.version for one in ours.specifier)
    written = [one.version.removesuffix(".*") for one in theirs.specifier]
    for text in (least, f"{least}.1", *written):
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if version >= Version(least) and theirs.specifier.contains(version, prereleases=True):
            return True
    return False
