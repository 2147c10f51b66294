"""Indexes and results take what is new from a queue, and list nothing."""

import contextlib
import io
import json

import pytest
from typer.testing import CliRunner

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.commands.app import app
from outbox_client.indexing.build import index
from outbox_client.indexing.results import results
from outbox_client.indexing.told import index_told
from outbox_client.policies import Deployed, Purpose, policy
from tests.documentation.pages import block, command_lines
from tests.outbox_client.committed import a_manifest, commit
from tests.outbox_client.indexing.test_indexing import items
from tests.outbox_client.queues.test_events import committed
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root
from truss_outbox.stores.s3.client import connect


def told(rig, bucket, tmp_path):
    return {one.job: one.added for one in index_told(rig.address, bucket=bucket, home=tmp_path)}


def test_each_result_goes_into_the_index_of_its_job_once(rig, memory_bucket, tmp_path):
    committed(memory_bucket, rig, "a", "b", times=2)
    committed(memory_bucket, rig, "x", job="k")
    assert told(rig, memory_bucket, tmp_path) == {"j": 2, "k": 1}
    assert told(rig, memory_bucket, tmp_path) == {}
    rig.tell("scans", "outbox/manifests/job=j/a.json")
    committed(memory_bucket, rig, "c")
    assert told(rig, memory_bucket, tmp_path) == {"j": 1}
    assert (items(memory_bucket, "j"), items(memory_bucket, "k")) == (["a", "b", "c"], ["x"])


def test_what_was_indexed_by_a_listing_is_not_added_again(rig, memory_bucket, naming, tmp_path):
    committed(memory_bucket, rig, "a")
    index("j", bucket=memory_bucket, naming=naming)
    assert told(rig, memory_bucket, tmp_path) == {"j": 0}
    assert items(memory_bucket, "j") == ["a"]


def test_a_message_is_acknowledged_after_its_results_are_in_the_index(rig, memory_bucket, tmp_path):
    committed(memory_bucket, rig, "a", "b")
    coming = index_told(rig.address, bucket=memory_bucket, home=tmp_path)
    next(coming)
    coming.close()  # as one that is killed right then
    assert told(rig, memory_bucket, tmp_path) == {"j": 0}
    assert items(memory_bucket, "j") == ["a", "b"]


@pytest.fixture
def telling(sqs, moto_options, monkeypatch, job):
    """A root in moto's bucket, whose notifications go to the queue as `outbox policy` prints."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto_options.endpoint_url)
    root = f"s3://outbox/{job}"
    queue = sqs.address.replace("sqs://", "sqs://123456789012/") + "?region=us-east-1"
    document = policy(Purpose.EVENTS, Root.parse(root), queue=queue)
    s3 = connect(moto_options)
    configure = s3.put_bucket_notification_configuration
    configure(Bucket="outbox", NotificationConfiguration=document)
    yield open_bucket(root, endpoint_url=moto_options.endpoint_url)
    configure(Bucket="outbox", NotificationConfiguration={})
    s3.close()


def test_results_come_as_the_buckets_own_notifications_tell_of_them(sqs, telling, job):
    def read(since=None):
        return list(results(telling.root, job, since=since, queue=sqs.address))

    commit(telling, a_manifest(job, "a b"))
    telling.create(f"artifacts/job={job}/a%20b/0a1b2c3d/text.txt", b"hello")
    (first,) = read()
    assert first.manifest.item == "a b"
    assert read(first.cursor) == []
    commit(telling, a_manifest(job, "a"), a_manifest(job, "z"))
    assert [one.manifest.item for one in read(first.cursor)] == ["a", "z"]


def run(*words, root, tmp_path):
    environment = {"OUTBOX_ROOT": root, "OUTBOX_HOME": str(tmp_path / "home")}
    return CliRunner().invoke(app, words, env=environment)


def test_follow_writes_a_line_for_each_event(sqs, telling, job, tmp_path):
    def follow(*words):
        command = ("follow", "--queue", sqs.address, "--idle", "0", *words)
        return run(*command, root=telling.root, tmp_path=tmp_path)

    commit(telling, a_manifest(job, "a"))
    assert follow().stdout == f"result\tjob={job}/a\n"
    commit(telling, a_manifest(job, "b"))
    (line,) = follow("--json").stdout.splitlines()
    event = json.loads(line)
    assert (event["event"], event["item"]) == ("result", "b")
    assert event["id"] == f"job={job}/b/0a1b2c3d"
    done = follow()
    assert (done.stdout, done.exit_code) == ("", 0)


def test_index_takes_its_keys_from_a_queue(sqs, telling, job, tmp_path):
    def index(*words):
        return run("index", *words, "--json", root=telling.root, tmp_path=tmp_path)

    commit(telling, a_manifest(job, "a"))
    document = json.loads(index("--queue", sqs.address).stdout)
    assert [(one["job"], one["added"]) for one in document["jobs"]] == [(job, 1)]
    assert "no result now" in index("--queue", sqs.address).stdout
    for words in ((), (job, "--queue", sqs.address)):
        refused = index(*words)
        assert refused.exit_code == 2
        assert "name one of them" in refused.output


def test_the_pages_commands_and_program_run_as_they_are(sqs, telling, job, tmp_path, monkeypatch):
    def documented(words):
        if "follow" in words:
            words = [*words, "--idle", "0"]
        words = [sqs.address if word == "sqs://outbox-events" else word for word in words]
        return run(*words, root=telling.root, tmp_path=tmp_path)

    commit(telling, a_manifest(job, "a"))
    said = [documented(words) for words in command_lines(block("sh", "outbox follow --queue"))]
    assert [one.exit_code for one in said] == [0, 0, 0, 0]
    assert said[2].stdout == f"result\tjob={job}/a\n"
    commit(telling, a_manifest(job, "b"))
    monkeypatch.setenv("OUTBOX_QUEUE", sqs.address)
    monkeypatch.setenv("OUTBOX_ROOT", telling.root)
    monkeypatch.setenv("OUTBOX_ENDPOINT_URL", telling.address)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block("python", "import events"), {})
    assert printed.getvalue().startswith(f"job={job}/b/0a1b2c3d {{'pages': 3")


GERMAN = "?region=eu-central-1"


def test_the_queues_own_policy_lets_the_bucket_and_the_rule_send():
    queue = f"sqs://123456789012/q{GERMAN}"
    document = policy(Purpose.QUEUE, Root.parse("s3://b/p"), queue=queue)
    sources = {
        one["Principal"]["Service"]: one["Condition"]["ArnEquals"]["aws:SourceArn"]
        for one in document["Statement"]
    }
    assert sources == {
        "s3.amazonaws.com": "arn:aws:s3:::b",
        "events.amazonaws.com": "arn:aws:events:eu-central-1:123456789012:rule/outbox-events",
    }
    assert {one["Resource"] for one in document["Statement"]} == {
        "arn:aws:sqs:eu-central-1:123456789012:q"
    }


def test_event_bridges_rule_takes_manifests_and_failures_alone():
    queue = f"sqs://123456789012/q{GERMAN}"
    document = policy(Purpose.EVENT_RULE, Root.parse("s3://b/p"), queue=queue)
    pattern = json.loads(document["EventPattern"])
    assert pattern["source"] == ["aws.s3"]
    assert pattern["detail"] == {
        "bucket": {"name": ["b"]},
        "object": {"key": [{"prefix": "p/manifests/"}, {"prefix": "p/failures/"}]},
    }


def test_gcs_tells_a_topic_of_manifests_and_failures():
    document = policy(Purpose.EVENTS, Root.parse("gs://b/p"), queue="pubsub://project/topic")
    assert [one["object_name_prefix"] for one in document["items"]] == [
        *("p/manifests/", "p/failures/")
    ]
    assert {one["topic"] for one in document["items"]} == {
        "//pubsub.googleapis.com/projects/project/topics/topic"
    }


@pytest.mark.parametrize(
    ("purpose", "root", "options", "said"),
    [
        (Purpose.EVENTS, "s3://b", {}, "pass --queue sqs://account/name"),
        (Purpose.EVENTS, "gs://b", {}, "pass --queue pubsub://project/name"),
        (Purpose.EVENTS, "s3://b", {"queue": "pubsub://project/topic"}, "tells sqs://"),
        (Purpose.EVENTS, "s3://b", {"queue": "sqs://q"}, r"account/name\?region"),
        (Purpose.QUEUE, "s3://b", {"queue": "sqs://123456789012/q"}, r"account/name\?region"),
        (Purpose.EVENT_RULE, "gs://b", {"queue": "pubsub://project/topic"}, "without a rule"),
        (Purpose.QUEUE, "gs://b", {"queue": "pubsub://project/topic"}, "--principal"),
        (Purpose.FOLLOWER, "gs://b", {"queue": "pubsub://project/topic"}, "--principal"),
    ],
)
def test_what_a_policy_of_events_lacks_is_named(purpose, root, options, said):
    with pytest.raises(ConfigurationError, match=said):
        policy(purpose, Root.parse(root), **options)


def test_the_buckets_region_and_partition_are_the_queues_too():
    deployed = Deployed(region="cn-north-1")
    queue = "sqs://123456789012/q"
    document = policy(Purpose.FOLLOWER, Root.parse("s3://b"), queue=queue, deployed=deployed)
    (statement,) = document["Statement"]
    assert statement["Resource"] == ["arn:aws-cn:sqs:cn-north-1:123456789012:q"]


def test_pubsubs_roles_are_for_the_member_that_is_named():
    member = {"principal": "serviceAccount:a@b", "queue": "pubsub://project/name"}
    roles = [
        policy(purpose, Root.parse("gs://b"), **member)["bindings"][0]
        for purpose in (Purpose.QUEUE, Purpose.FOLLOWER)
    ]
    assert [one["role"] for one in roles] == ["roles/pubsub.publisher", "roles/pubsub.subscriber"]
    assert all(one["members"] == ["serviceAccount:a@b"] for one in roles)
