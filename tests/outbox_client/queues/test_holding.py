"""Messages that are worked on are kept from others, and no longer than that."""

import sqlite3

import pytest

from outbox_client.errors import LocalFileError
from outbox_client.queues.address import QueueAddress
from outbox_client.queues.handled import KEPT_SECONDS, HandledEvents
from outbox_client.queues.held import HeldMessages
from outbox_client.queues.protocol import HOLD_SECONDS, Message
from tests.waiting import until
from truss_outbox.contract.errors import StoreUnavailableError


class RecordingQueue:
    """Gives two messages at a time, and notes what it is asked."""

    address = "sqs://recording"

    def __init__(self):
        self.held = []
        self.acknowledged = []
        self.is_away = False

    def receive(self, *, wait_seconds):
        return [Message(body="", receipt=receipt) for receipt in ("a", "b")]

    def acknowledge(self, messages):
        self.acknowledged += [one.receipt for one in messages]

    def hold(self, messages, *, seconds):
        self.held.append(([one.receipt for one in messages], seconds))
        if self.is_away:
            raise StoreUnavailableError(self.address, "away")


def test_a_message_is_held_until_it_is_acknowledged_and_the_rest_given_back():
    queue = RecordingQueue()
    with HeldMessages(queue, every_seconds=0.01) as held:
        first, second = held.receive(wait_seconds=0)
        until(lambda: (["a", "b"], HOLD_SECONDS) in queue.held, "both", every=0.005)
        held.acknowledge([first])
        until(lambda: (["b"], HOLD_SECONDS) in queue.held, "the other", every=0.005)
    assert queue.acknowledged == ["a"]
    assert queue.held[-1] == ([second.receipt], 0)


def test_a_message_that_is_left_is_neither_held_nor_given_back():
    queue = RecordingQueue()
    with HeldMessages(queue) as held:
        held.leave(held.receive(wait_seconds=0))
    assert (queue.held, queue.acknowledged) == ([([], 0)], [])


def test_a_queue_that_is_away_while_messages_are_held_ends_nothing():
    queue = RecordingQueue()
    queue.is_away = True
    with HeldMessages(queue, every_seconds=0.01) as held:
        held.receive(wait_seconds=0)
        until(lambda: len(queue.held) > 2, "several tries", every=0.005)


def handled(tmp_path, **options):
    return HandledEvents(tmp_path / "events" / "q.sqlite3", **options)


def test_what_was_handled_is_known_until_no_queue_can_have_it_any_more(tmp_path):
    with handled(tmp_path) as events:
        events.add("a")
    with handled(tmp_path) as events:
        assert (events.has("a"), events.has("b")) == (True, False)
        (later,) = sqlite3.connect(tmp_path / "events" / "q.sqlite3").execute(
            "SELECT at FROM handled"
        )
    with handled(tmp_path, now=lambda: later[0] + KEPT_SECONDS + 1) as events:
        assert not events.has("a")


def test_a_broken_file_is_made_anew(tmp_path):
    with handled(tmp_path):
        pass
    (tmp_path / "events" / "q.sqlite3").write_bytes(b"no database at all, but long enough" * 9)
    with handled(tmp_path) as events:
        assert not events.has("a")


def test_a_home_that_takes_no_file_is_told_with_the_remedy(tmp_path):
    (tmp_path / "events").write_text("a file")
    with pytest.raises(LocalFileError, match="OUTBOX_HOME"), handled(tmp_path):
        pass


def test_each_queue_and_root_has_a_file_of_its_own(tmp_path):
    queues = [QueueAddress.parse(text) for text in ("sqs://abc", "sqs://b", "pubsub://project/abc")]
    paths = {
        HandledEvents.of(tmp_path, queue, root)._path
        for queue in queues
        for root in ("s3://a", "s3://b")
    }
    assert len(paths) == 6
