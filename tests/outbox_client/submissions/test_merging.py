"""Journals that tell each other what they know come to know the same, in whatever order."""

import contextlib
import itertools
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from outbox_client import Batch, Item, Journal
from outbox_client.bucket.bucket import Bucket
from outbox_client.clock import Clock
from outbox_client.journal.entries import Accepted, Begun, Settlement, planned_row
from outbox_client.journal.states import State
from outbox_client.submissions.publishing import Publisher
from outbox_client.submissions.senders import Senders

ROOT = "s3://scans/outbox"


class Machine:
    def __init__(self, journal, bucket, ticks):
        self.journal = journal
        self.bucket = bucket
        self.ticks = ticks
        self.clock = Clock(now=lambda: float(next(ticks)))

    def plan(self, item):
        known = Item(name=item, inputs={"n": item})
        batch = Batch(job="j", labels={"by": "anyone"})
        self.journal.plan(batch, [planned_row(known, f"job=j/{item}")])

    def send(self, item):
        begun = Begun(item=item, key=f"job=j/{item}", digest="d", size=1, submitted_at=self.now())
        if item in self.unsent() and self.journal.begin_submits([begun]):
            request_id = f"r{next(self.ticks)}"
            accepted = Accepted(item=item, key=f"job=j/{item}", request_id=request_id)
            self.journal.end_submits([accepted])

    def refuse(self, item):
        if item in self.unsent():
            self.end(item, "REFUSED")

    def fail(self, item):
        if any(one.state.is_open for one in self.journal.entries_of_items([item])):
            self.end(item, "FAILED")

    def end(self, item, code):
        (entry,) = self.journal.entries_of_items([item])
        settlement = Settlement(
            item=item,
            state=State.FAILED,
            request_id=entry.request_id,
            code=code,
            retryable=True,
            ended_at=self.now(),
        )
        self.journal.settle(settlement)

    def publish(self, _=None):
        Publisher(self.journal, self.bucket, planned=0, clock=self.clock).write(ended=True)

    def sync(self, _=None):
        Senders(self.journal, self.bucket).look()

    def unsent(self):
        return {one.item.name for one in self.journal.unsent()}

    def now(self):
        return float(next(self.ticks))

    def known(self):
        return {one.item: (one.request_id, one.state, one.code) for one in self.journal.entries()}


@contextlib.contextmanager
def machines(count):
    bucket, ticks = Bucket(MemoryStore(), root=ROOT), itertools.count(1)
    with tempfile.TemporaryDirectory() as home, contextlib.ExitStack() as stack:
        yield [
            Machine(
                stack.enter_context(
                    Journal.opened(Path(home, str(n)), job="j", root=ROOT, create=True)
                ),
                bucket,
                ticks,
            )
            for n in range(count)
        ]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["plan", "send", "send", "refuse", "fail", "publish", "sync"]),
        st.sampled_from("ab"),
    ),
    max_size=25,
)


@given(STEPS)
def test_two_machines_that_have_read_all_agree_on_all_that_neither_is_still_to_send(steps):
    with machines(2) as both:
        for number, step, item in steps:
            getattr(both[number], step)(item)
        for _ in range(2):
            for machine in both:
                machine.publish()
            for machine in both:
                machine.sync()
        first, second = (machine.known() for machine in both)
        assert first.keys() == second.keys()
        to_send = both[0].unsent() | both[1].unsent()
        assert {item: first[item] for item in first.keys() - to_send} == {
            item: second[item] for item in second.keys() - to_send
        }


def test_what_was_read_is_not_told_again():
    with machines(2) as (here, there):
        here.plan("a")
        here.send("a")
        here.publish()
        there.sync()
        there.publish()
        assert there.journal.publication.unpublished(after=0) == []
        parts = list(here.bucket.keys("submissions/"))
        for machine in (here, there):
            machine.sync()
        assert list(here.bucket.keys("submissions/")) == parts


def test_a_later_part_about_what_is_known_changes_nothing_that_has_ended():
    with machines(3) as (first, second, third):
        first.plan("a")
        first.send("a")
        first.publish()
        second.sync()
        second.fail("a")
        second.publish()
        third.sync()
        first.sync()
        assert first.known() == second.known() == third.known()
        assert first.known()["a"][1:] == (State.FAILED, "FAILED")


def test_what_is_staged_while_a_part_is_being_made_is_told_in_it(tmp_path, monkeypatch):
    bucket = Bucket(MemoryStore(), root=ROOT)
    with Journal.opened(tmp_path, job="j", root=ROOT, create=True) as journal:
        machine = Machine(journal, bucket, itertools.count(1))
        machine.plan("a")
        publication = journal.publication
        unpublished, staged = publication.unpublished, '{"document":{"input":"inputs/ab"}}'

        def staged_behind(**after):
            rows = unpublished(**after)
            publication.record_staged("a", staged)
            return rows

        monkeypatch.setattr(publication, "unpublished", staged_behind)
        Publisher(journal, bucket, planned=1, clock=machine.clock).write_first()
    (part,) = bucket.objects("submissions/")
    *_, last = bucket.get(part.key).splitlines()
    assert json.loads(last)["inputs"] == json.loads(staged)
