"""What was sent of a job: its submissions, and the inputs that travelled ahead of its requests.

Inputs go before the submissions that name them: a deletion that is killed between the two finds
them again.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from truss_outbox.contract.errors import NotFoundError
from truss_outbox.contract.keys import input_key

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..policies.role import INPUTS_DAYS
from ..submissions.parts import FOLDER, SCHEMA, folder, part_of
from ..submissions.senders import SILENT_SECONDS
from .deletion import Deletion, Remover, Scope

_ENDED = {"failed", "expired", "canceled"}
_NAMED = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
"""Digests: of inputs, and whatever else is written as one, which then protects an input."""
_UNTOLD = b'"inputs":null'


@dataclass(frozen=True, kw_only=True)
class ToldPart:
    """A part of what was sent, as it is stored. `lines` are without the header."""

    found: StoredObject
    header: Mapping[str, Any]
    lines: list[bytes]

    @classmethod
    def of(cls, found: StoredObject, data: bytes) -> "ToldPart | None":
        """None for what is none that this version knows."""
        first, *lines = data.rstrip(b"\n").split(b"\n")
        try:
            header = json.loads(first)
            parsed = [json.loads(line)["item"] for line in lines]
            if header["schema"] != SCHEMA or not all(isinstance(one, str) for one in parsed):
                return None
        except (ValueError, TypeError, KeyError):
            return None
        return cls(found=found, header=header, lines=lines)

    @cached_property
    def parsed(self) -> list[dict[str, Any]]:
        return list(map(json.loads, self.lines))

    def labels(self, line: Mapping[str, Any]) -> dict[str, str]:
        """Of the planned line of an item; those of its batch too."""
        batches = self.header.get("batches") or []
        batch = batches[line["batch"]] if line["batch"] < len(batches) else {}
        return {**batch.get("labels", {}), **line.get("labels", {})}


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherPart:
    """What another job's part says of inputs. `is_untold`: it names more than it says; `goes_on`:
    so will its sender, if it is the latest part."""

    key: str
    named: frozenset[bytes] = frozenset()
    is_untold: bool = False
    goes_on: bool = False


class Sent:
    """What was sent of one job. All methods raise StoreError."""

    def __init__(
        self, bucket: Bucket, selection: Scope, *, deletion: Deletion, now: datetime
    ) -> None:
        self._bucket = bucket
        self._job = deletion.job
        self._selection = selection
        self._deletion = deletion
        self._remover = Remover(bucket=bucket, deletion=deletion)
        self._now = now

    def keys_of_selected(self) -> Iterator[str]:
        """Of items that are selected, whether they have a result or not.

        By age alone only what ended without a result counts: the others may be under way.
        """
        labelled = set[str]()
        for part in self._parts():
            for line in part.parsed:
                item, labels = line["item"], self._selection.labels
                is_plan = line["state"] == "planned"
                if labels and is_plan and labels.items() <= part.labels(line).items():
                    labelled.add(item)
                is_selected = item in labelled or not labels
                if line.get("key") and is_selected and self._is_over(part, line):
                    yield line["key"]

    def remove(self) -> None:
        """The inputs that nobody else names, then what tells of the job."""
        gone = {} if self._deletion.is_whole_job else self._gone()
        sending, is_told = self._sending(), True
        going, kept, named = list[StoredObject](), set[bytes](), set[bytes]()
        for part in self._parts():
            left = part.lines if _sender(part) in sending else self._left(part, gone)
            header = json.dumps(part.header).encode()
            kept |= _digests([header, *left] if left else [])
            is_told &= not any(_UNTOLD in line for line in left)
            if len(left) < len(part.lines) or self._is_emptied(part, sending):
                going.append(part.found)
                named |= _digests([header, *set(part.lines).difference(left)])
        if sending:
            self._deletion.is_being_sent = True
            self._deletion.notes.append(
                "the job is being sent: what its sender told is left, and its results still come;"
                " delete again when it has ended"
            )
        self._remove_inputs(named - kept, is_told=is_told)
        self._remove_parts(going, gone)

    def _parts(self) -> Iterator[ToldPart]:
        """As they were written: the plan of an item comes before its request."""
        listed = self._bucket.objects(folder(self._job))
        own = (found for found in listed if part_of(found.key))
        for found in sorted(own, key=lambda one: (one.modified_at, one.key)):
            part = self._read(found)
            if part is not None:
                yield part

    def _read(self, found: StoredObject) -> ToldPart | None:
        try:
            part = ToldPart.of(found, self._bucket.get(found.key))
        except NotFoundError:
            return None
        if part is None:
            self._bucket.foreign.add(found.key, f"it is no part of what was sent ({SCHEMA})")
        return part

    def _is_over(self, part: ToldPart, line: Mapping[str, Any]) -> bool:
        older_than = self._selection.older_than
        if older_than is None or not self._selection.takes_item(line["item"]):
            return self._selection.takes_item(line["item"])
        return line["state"] in _ENDED and part.found.modified_at <= self._now - older_than

    def _gone(self) -> dict[str, datetime]:
        """When which items were deleted."""
        gone = dict[str, datetime]()
        for part in self._parts():
            for line in part.parsed:
                at = line.get("key") and self._deletion.tombstones.deleted_at(line["key"])
                if at:
                    gone[line["item"]] = max(at, gone.get(line["item"], at))
        return gone

    def _sending(self) -> set[str]:
        """The senders that go on, as far as the latest part of each tells."""
        latest = dict[str, ToldPart]()
        for part in self._parts():
            before = latest.get(_sender(part))
            if before is None or _number(part.found.key) > _number(before.found.key):
                latest[_sender(part)] = part
        return {
            name for name, part in latest.items() if _goes_on(part.header, part.found, self._now)
        }

    def _left(self, part: ToldPart, gone: Mapping[str, datetime]) -> list[bytes]:
        """What the part goes on to tell; of an item that was sent again since, a later one does."""
        if self._deletion.is_whole_job:
            return []
        pairs = zip(part.lines, part.parsed, strict=True)
        return [line for line, one in pairs if not self._is_gone(part, gone.get(one["item"]))]

    def _is_gone(self, part: ToldPart, at: datetime | None) -> bool:
        return at is not None and part.found.modified_at <= at

    def _is_emptied(self, part: ToldPart, sending: set[str]) -> bool:
        return self._deletion.is_whole_job and _sender(part) not in sending

    def _remove_parts(self, going: Iterable[StoredObject], gone: Mapping[str, datetime]) -> None:
        if self._deletion.is_whole_job:
            count, _ = self._remover.remove(going)
            self._deletion.submissions += count
            return
        for found in going:
            part = self._read(found)
            if part is None:
                continue
            if left := self._left(part, gone):
                data = b"\n".join([json.dumps(part.header).encode(), *left, b""])
                if self._deletion.is_deleted:
                    self._bucket.put(found.key, data)
                self._deletion.submissions += 1
            else:
                count, _ = self._remover.remove([found])
                self._deletion.submissions += count

    def _remove_inputs(self, named: set[bytes], *, is_told: bool) -> None:
        """Those that were put there under the digest of what they hold, by whoever sent them."""
        there = dict[bytes, StoredObject]()
        if named:
            for found in self._bucket.objects("inputs/"):
                name = found.key.rpartition("/")[2].encode()
                if name in named and found.key == input_key(name.decode()):
                    there[name] = found
        if not there:
            return
        used, reason = set[bytes](), "not all that is left of the job tells which it names"
        if is_told:
            used, reason = self._used_elsewhere(set(there))
        if reason:
            self._deletion.notes.append(f"{len(there):,} input(s) are left: {reason}")
            return
        count, size = self._remover.remove(there[name] for name in sorted(there.keys() - used))
        self._deletion.inputs += count
        self._deletion.inputs_bytes += size

    def _used_elsewhere(self, names: set[bytes]) -> tuple[set[bytes], str]:
        """Those of the inputs that other jobs name; or why that cannot be known."""
        used, own = set[bytes](), folder(self._job)
        others = (
            found
            for found in self._bucket.objects(FOLDER)
            if not found.key.startswith(own) and part_of(found.key)
        )
        latest = dict[str, tuple[int, OtherPart]]()
        for one in self._bucket.in_threads(self._look, others):
            used |= one.named & names
            if one.is_untold:
                return set(), f"{one.key} does not tell all that its job's requests name"
            sender, number = one.key.rpartition("-")[0], _number(one.key)
            if sender not in latest or number > latest[sender][0]:
                latest[sender] = number, one
        for _, one in latest.values():
            if one.goes_on:
                return set(), f"{one.key} tells of a job that is being sent: delete again later"
        return used, ""

    def _look(self, found: StoredObject) -> OtherPart:
        """At another job's part."""
        try:
            data = self._bucket.get(found.key)
        except NotFoundError:  # it was deleted too
            return OtherPart(key=found.key)
        try:
            goes_on = _goes_on(json.loads(data.partition(b"\n")[0]), found, self._now)
        except (ValueError, AttributeError, TypeError):
            goes_on = _is_recent(found, self._now)
        is_needed = self._now - found.modified_at < timedelta(days=INPUTS_DAYS)
        return OtherPart(
            key=found.key,
            named=_digests([data]),
            is_untold=is_needed and _UNTOLD in data,
            goes_on=goes_on,
        )


def _digests(texts: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(name for text in texts for name in _NAMED.findall(text))


def _sender(part: ToldPart) -> str:
    named = part_of(part.found.key)
    assert named is not None
    return named[0]


def _number(key: str) -> int:
    named = part_of(key)
    assert named is not None
    return named[1]


def _is_recent(found: StoredObject, now: datetime) -> bool:
    return now - found.modified_at < timedelta(seconds=SILENT_SECONDS)


def _goes_on(header: Mapping[str, Any], found: StoredObject, now: datetime) -> bool:
    is_open = not header.get("ended") and header.get("sent", 0) < header.get("planned", 1)
    return is_open and _is_recent(found, now)
