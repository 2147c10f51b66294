"""What is deleted goes completely, nothing else goes, and a reader never sees half a result."""

import datetime
import json
import shutil
from pathlib import Path

import pytest

from outbox_client.bucket.bucket import Bucket
from tests.outbox_client.deleting.world import OWN, SHARED, World, two_jobs
from truss_outbox.contract.errors import AccessDeniedError
from truss_outbox.contract.keys import input_key
from truss_outbox.retrying import without_pauses


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> World:
    """Each test has a copy of it: to send, store and index takes most of a second."""
    with without_pauses(tries=3):
        return two_jobs(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(template, tmp_path) -> World:
    return copied(template, tmp_path / "world")


def copied(world: World, directory: Path) -> World:
    shutil.copytree(world.directory / "bucket", directory / "bucket")
    return World(directory)


def of_job(everything: dict[str, bytes], job: str) -> dict[str, bytes]:
    return {key: data for key, data in everything.items() if f"job={job}/" in key}


def counts(deletion) -> dict[str, int]:
    names = ("results", "artifacts", "failures", "index_rows", "submissions", "inputs")
    return {name: getattr(deletion, name) for name in (*names, "accounts", "inputs_bytes")}


def test_nothing_goes_unless_it_is_asked_for_and_the_counts_are_what_would_go(world):
    before = world.everything()
    said = world.delete("a", is_dry=True)
    assert world.everything() == before
    done = world.delete("a")
    assert counts(said) == counts(done)
    assert done.results == done.index_rows == len(OWN) + 1
    assert done.artifacts == 2 * done.results + 1
    assert (done.failures, done.inputs, done.accounts) == (1, len(OWN), 1)


def test_a_job_goes_completely_and_nothing_of_another_whose_name_begins_alike(world):
    before = world.everything()
    done = world.delete("a")
    after = world.everything()
    assert of_job(after, "ab") == of_job(before, "ab")
    assert before["jobs/ab.json"] == after["jobs/ab.json"]
    # What is left of it names no item and holds nothing of it.
    tombstones = [key for key in after if key.startswith("deletions/job=a/")]
    assert list(of_job(after, "a")) == tombstones
    assert not world.about("Smith", "only a has", "a failed on it", *map("job=a/{}".format, OWN))
    assert (done.undeleted, done.notes) == ([], [])
    assert world.delete("a").is_nothing
    world.check_whole()


def test_an_input_that_another_job_names_stays(world):
    world.delete("a")
    inputs = {key: data for key, data in world.everything().items() if key.startswith("inputs/")}
    assert SHARED.encode() in inputs.values()
    assert len(inputs) == 3
    world.delete("ab")
    assert not [key for key in world.everything() if key.startswith("inputs/")]


class Stopped(BaseException):
    """As a kill: nothing catches it."""


class Stopping:
    """A bucket of which the `n`-th call that changes something does not come to be."""

    def __init__(self, bucket: Bucket, n: int) -> None:
        self._bucket, self._left = bucket, n
        self.calls = 0

    def __getattr__(self, name):
        return getattr(self._bucket, name)

    def _counted(self, name, *arguments, **more):
        self.calls += 1
        if self.calls == self._left:
            raise Stopped
        return getattr(self._bucket, name)(*arguments, **more)

    def create(self, *arguments):
        self._counted("create", *arguments)

    def create_new(self, *arguments):
        self._counted("create_new", *arguments)

    def put(self, *arguments):
        self._counted("put", *arguments)

    def delete_many(self, keys, told):
        """One by one, so that it may stop between any two."""
        for key in keys:
            self._counted("delete", key)
            told(key, None)


SELECTIONS = [{}, {"items": frozenset({"x", "shared"})}, {"labels": {"parity": "odd"}}]


@pytest.mark.parametrize(
    ("selection", "every"),
    [
        ({}, 8),
        ({"labels": {"parity": "odd"}}, 8),
        *(pytest.param(one, 1, marks=pytest.mark.slow) for one in SELECTIONS),
    ],
)
def test_a_deletion_that_is_killed_at_any_moment_is_finished_by_the_next(
    template, tmp_path, selection, every
):
    whole = copied(template, tmp_path / "whole")
    counting = Stopping(whole.bucket, 0)
    whole.delete("a", bucket=counting, **selection)
    expected = rest_of(whole)
    assert len(expected) < len(rest_of(template))
    for n in range(1, counting.calls + 1, every):
        world = copied(template, tmp_path / f"killed-{n}")
        with pytest.raises(Stopped):
            world.delete("a", bucket=Stopping(world.bucket, n), **selection)
        world.check_whole()
        world.delete("a", **selection)
        world.check_whole()
        assert rest_of(world) == expected, n
        assert world.items("a") == whole.items("a")


def rest_of(world: World) -> set[str]:
    """Without the tombstones, whose names are random; an index's part has another edition where it
    was purged twice."""
    return {key for key in world.everything() if not key.startswith(("deletions/", "index/job=a/"))}


def test_only_the_items_that_were_named_go(world):
    before = world.everything()
    done = world.delete("a", items=frozenset({"x", "contract of Mrs Smith"}))
    assert done.results == done.index_rows == 2
    assert done.inputs == 2
    assert of_job(world.everything(), "ab") == of_job(before, "ab")
    assert not world.about("Smith", "job=a/x.json")
    assert not [key for key in world.everything() if key.startswith("artifacts/job=a/x/")]
    assert world.items("a") == sorted({*OWN, "shared"} - {"x", "contract of Mrs Smith"})
    assert {"deadbeef", "x/y"} < set(world.items("a"))
    world.check_whole()


def test_what_ended_without_a_result_goes_by_its_name_too(world):
    world.service.held = True
    with world.journal("b") as journal:
        from outbox_client import Batch, Item, submit, wait

        items = [Item(name="bad", inputs={"text": "Mrs Smith"}), Item(name="good")]
        submit(items, Batch(job="b"), deployment=world.deployment, journal=journal)
        for request_id, body in world.service.bodies.items():
            metadata = body["model_input"]["metadata"]
            if (metadata["job"], metadata["item"]) == ("b", "bad"):
                world.service.fail(request_id, "job=b/bad", code="X", message="no Mrs Smith")
        world.service.run_queued()
        list(wait(journal, deployment=world.deployment))
    assert world.about("Smith")
    done = world.delete("b", items=frozenset({"bad"}))
    assert (done.results, done.failures) == (0, 1)
    assert not {key for key in world.about("Smith") if "job=b" in key or "jobs/b" in key}
    assert [key for key in world.everything() if key.startswith("manifests/job=b/")]


def test_labels_select_all_that_have_them(world):
    names = [*OWN, "shared"]
    done = world.delete("a", labels={"parity": "odd"})
    assert done.results == 3
    assert world.items("a") == sorted(names[::2])
    assert world.delete("a", labels={"parity": "odd", "team": "x"}).is_nothing


def test_age_is_that_of_the_result_by_the_buckets_clock(world):

    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    assert world.delete("a", older_than=hour, now=now).is_nothing
    done = world.delete("a", older_than=hour, now=now + 2 * hour)
    assert done.results == len(OWN) + 1
    assert done.submissions
    # Its failure was not told by any sender, and the whole job was not meant.
    assert done.failures == 0


def test_a_result_that_is_made_anew_counts_though_its_key_was_deleted(world):
    world.delete("a", items=frozenset({"x"}))
    assert "x" not in world.items("a")
    world.index("a")
    world.send("a", {"x": "only a has x"})
    world.index("a")
    assert world.items("a") == sorted((*OWN, "shared"))
    world.delete("a")
    world.send("a", {"x": "only a has x"})
    world.index("a")
    assert world.items("a") == ["x"]
    assert world.delete("a").results == 1
    world.check_whole()


def manifest_of(world: World, item: str) -> tuple[str, bytes]:
    key = f"manifests/job=a/{item}.json"
    return key, world.everything()[key]


def test_a_manifest_created_once_more_by_a_writer_whose_answer_was_lost_goes_with_the_next(world):
    key, data = manifest_of(world, "x")
    world.delete("a", items=frozenset({"x"}))
    world.bucket.create_new(key, data)  # of the same attempt, whose artifacts have gone
    world.index("a")
    assert "x" not in world.items("a")
    done = world.delete("a", items=frozenset({"shared"}))
    assert done.results == 2
    assert not world.bucket.exists(key)


def test_what_commits_after_its_job_was_deleted_is_a_result_as_any_other(world):
    world.service.held = True
    with world.journal("late") as journal:
        from outbox_client import Batch, Item, submit

        submit([Item(name="x")], Batch(job="late"), deployment=world.deployment, journal=journal)
    world.delete("late")
    world.service.run_queued()
    world.index("late")
    assert world.items("late") == ["x"]
    world.check_whole()
    assert world.delete("late").results == 1


class Holding(Stopping):
    """A bucket that does not let these keys go."""

    def __init__(self, bucket: Bucket, *held: str) -> None:
        super().__init__(bucket, 0)
        self._held = held

    def delete_many(self, keys, told):

        for key in keys:
            if key in self._held:
                told(key, AccessDeniedError(key, "access denied"))
            else:
                super().delete_many([key], told)


def test_the_artifacts_of_a_manifest_that_is_held_stay_with_it(world):
    key, _ = manifest_of(world, "x")
    done = world.delete("a", bucket=Holding(world.bucket, key))
    assert [one.key for one in done.undeleted] == [key]
    assert done.results == len(OWN)
    world.check_whole()
    assert [one for one in world.everything() if one.startswith("artifacts/job=a/x/")]
    assert world.delete("a").results == 1
    assert not [one for one in world.everything() if one.startswith("artifacts/job=a/x/")]


def test_a_young_attempt_without_a_manifest_may_be_under_way_and_stays(world):

    done = world.delete("a", now=datetime.datetime.now(datetime.UTC))
    assert any("attempts without a manifest are left" in note for note in done.notes)
    assert world.bucket.exists("artifacts/job=a/lost/00000000/half.bin")
    world.delete("a")
    assert not world.bucket.exists("artifacts/job=a/lost/00000000/half.bin")


def part(job: str, sender: str, text: str, *, ended: bool) -> tuple[str, bytes]:

    header = {"schema": "outbox.submissions/v1", "job": job, "sender": sender, "written_at": 0.0}
    header |= {"planned": 9, "sent": 1, "unlisted": 0, "ended": ended, "batches": []}
    return f"submissions/job={job}/{sender}-000000.jsonl", f"{json.dumps(header)}\n{text}".encode()


def test_who_sends_the_job_again_meanwhile_keeps_what_it_told(world):

    key, data = part("a", "0" * 12, "", ended=False)
    world.bucket.create(key, data)
    done = world.delete("a", now=datetime.datetime.now(datetime.UTC))
    assert done.is_being_sent
    left = [one for one in world.everything() if one.startswith("submissions/job=a/")]
    assert left == [key]
    assert not world.delete("a").is_being_sent
    assert not [one for one in world.everything() if one.startswith("submissions/job=a/")]


@pytest.mark.parametrize(
    ("line", "ended", "said"),
    [
        ("", False, "is being sent"),
        ('{"state":"planned","item":"big","inputs":null}\n', True, "does not tell all"),
    ],
)
def test_inputs_stay_as_long_as_another_job_may_name_them_without_saying_so(
    world, line, ended, said
):

    key, data = part("other", "0" * 12, line, ended=ended)
    world.bucket.create(key, data)
    inputs = {one for one in world.everything() if one.startswith("inputs/")}
    done = world.delete("a", now=datetime.datetime.now(datetime.UTC))
    assert any(said in note and key in note for note in done.notes), done.notes
    assert {one for one in world.everything() if one.startswith("inputs/")} == inputs
    world.bucket.delete(key)


def test_what_somebody_put_below_inputs_by_hand_is_theirs(world):
    mine = ("inputs/in/a.pdf", input_key("f" * 64))
    for key in mine:
        world.bucket.create(key, b"mine")
    world.delete("a")
    assert all(map(world.bucket.exists, mine))
