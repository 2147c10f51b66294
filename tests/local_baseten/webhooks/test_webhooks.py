"""Webhooks from the queue to receivers of every kind, over real sockets."""

import asyncio
import contextlib
import json
import logging
import socket
import ssl
from datetime import UTC, datetime

import pytest
import trustme

from baseten_webhooks import verify
from local_baseten.request_queue.database import Database
from local_baseten.request_queue.deliveries import Deliveries
from local_baseten.request_queue.request import RequestError, Status, WebhookStatus
from local_baseten.request_queue.requests import RequestQueue
from local_baseten.webhooks.attempt import DeliveryPolicy
from tests.baseten_webhooks.deliveries import NEW, OLD
from tests.baseten_webhooks.scripted_receiver import ScriptedReceiver, receiving
from tests.local_baseten.webhooks.webhook_sender import QUICK, Sender

NO = RequestError(code="MODEL_PREDICT_ERROR", message="no")
IMPATIENT = DeliveryPolicy(delays_seconds=(0.02,), timeout_seconds=1)
WAITS = {"stall", "drip"}


@pytest.fixture
def sender(database) -> Sender:
    return Sender(database, RequestQueue(database))


@pytest.mark.parametrize(
    ("script", "delivered", "attempts"),
    [
        (["200"], True, 1),
        (["204"], True, 1),
        (["endless"], True, 1),
        (["500", "200"], True, 2),
        (["502", "200"], True, 2),
        (["503", "200"], True, 2),
        (["504", "200"], True, 2),
        (["500", "500"], False, 2),
        (["500", "404"], False, 2),
        (["400"], False, 1),
        (["401"], False, 1),
        (["404"], False, 1),
        (["410"], False, 1),
        (["429"], False, 1),
        (["501"], False, 1),
        (["301"], False, 1),
        (["302"], False, 1),
        (["307"], False, 1),
        (["308"], False, 1),
        (["reset", "200"], True, 2),
        (["reset", "reset"], False, 2),
        (["hang up", "200"], True, 2),
        (["garbage", "200"], True, 2),
        (["stall", "200"], True, 2),
        (["stall", "stall"], False, 2),
        (["drip", "200"], True, 2),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_whatever_the_receiver_does_the_webhook_ends(sender, script, delivered, attempts):
    policy = IMPATIENT if WAITS & set(script) else QUICK
    with receiving(*script) as receiver:
        sender.end(receiver.url())
        ended = sender.deliver(policy=policy)

    assert ended == (("SUCCEEDED",) * 2 if delivered else ("WEBHOOK_FAILED", "FAILED"))
    assert len(receiver.received) == attempts
    assert {one.path for one in receiver.received} == {"/hook?token=secret-token"}


def test_nobody_there_is_a_failure_after_all_attempts(sender):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sender.end(f"http://localhost:{port}/")

    assert sender.deliver() == ("WEBHOOK_FAILED", "FAILED")


def test_by_default_attempts_are_those_documented():
    policy = DeliveryPolicy()

    assert [policy.delay_seconds(failed) for failed in (1, 2, 3)] == [2.0, None, None]
    assert policy.timeout_seconds == 10
    older = DeliveryPolicy(delays_seconds=(1.0, 4.0))
    assert [older.delay_seconds(failed) for failed in (1, 2, 3)] == [1.0, 4.0, None]


def test_between_two_attempts_the_delay_passes(database, clock):
    """Two seconds of the queue's clock: it stands still until the first attempt was seen."""
    sender = Sender(database, RequestQueue(database, clock=clock))

    async def scenario(receiver: ScriptedReceiver) -> tuple[float, int]:
        deliveries = Deliveries(database, clock=clock)
        async with sender.deliverer(DeliveryPolicy(), clock) as (deliverer, commits):
            running = asyncio.create_task(deliverer.run())
            while (seconds := await commits(deliveries.seconds_until_due)) != 2.0:
                await asyncio.sleep(0.01)
            before = len(receiver.received)
            clock.now += 2.0
            deliverer.wake()
            while sender.queue.find("r").webhook_status is not WebhookStatus.SUCCEEDED:
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
        return seconds, before

    with receiving("500", "200") as receiver:
        sender.end(receiver.url())
        assert asyncio.run(scenario(receiver)) == (2.0, 1)

    times = [json.loads(one.body)["time"] for one in receiver.received]
    assert times == ["2025-03-27T00:17:51.578558Z", "2025-03-27T00:17:53.578558Z"]


@pytest.mark.parametrize(
    ("data", "received"),
    [
        ('{"pages": 3, "half": "\\ud800"}', {"pages": 3, "half": "\ud800"}),
        ('"text"', "text"),
        ("[1.5, null]", [1.5, None]),
        ("not JSON", "not JSON"),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
def test_the_payload_is_as_documented(sender, data, received):
    before = datetime.now(UTC)
    with receiving("200") as receiver:
        sender.end(receiver.url(), data=data)
        sender.deliver()

    (one,) = receiver.received
    fields = json.loads(one.body)
    sent = datetime.fromisoformat(fields.pop("time"))
    assert before <= sent <= datetime.now(UTC)
    assert fields == {
        "request_id": "r",
        "model_id": "local",
        "deployment_id": "production",
        "type": "async_request_completed",
        "data": received,
        "errors": [],
    }
    assert one.headers["content-type"] == "application/json"
    assert one.headers["x-baseten-request-id"] == "r"


def test_a_failed_request_is_told_too_and_stays_failed(sender):
    with receiving("404") as receiver:
        sender.end(receiver.url(), error=NO)
        ended = sender.deliver()

    fields = json.loads(receiver.received[0].body)
    assert (fields["type"], fields["data"]) == ("async_request_completed", None)
    assert fields["errors"] == [{"code": "MODEL_PREDICT_ERROR", "message": "no"}]
    assert ended == (Status.FAILED, WebhookStatus.FAILED)


@pytest.mark.parametrize(
    ("signing", "knowing"),
    [([NEW], [NEW]), ([NEW, OLD], [OLD]), ([NEW, OLD], [NEW]), ([NEW], [OLD, NEW])],
)
def test_what_is_signed_here_is_verified_there(sender, signing, knowing):
    sender.secrets[:] = signing
    with receiving("200") as receiver:
        sender.end(receiver.url())
        sender.deliver()

    (one,) = receiver.received
    assert one.headers["x-baseten-signature"].count("v1=") == len(signing)
    event = verify(one.headers, one.body, secrets=knowing, now=datetime.now(UTC).timestamp())
    assert (event.request_id, event.data) == ("r", {"pages": 3})


def test_without_a_secret_nothing_is_signed(sender):
    with receiving("200") as receiver:
        sender.end(receiver.url())
        sender.deliver()

    assert "x-baseten-signature" not in receiver.received[0].headers


def test_a_receiver_that_stalls_holds_up_no_other(sender):
    with receiving("stall") as stalling, receiving("200") as quick:
        for number in range(3):
            sender.end(stalling.url(), name=f"s{number}")
        for number in range(30):
            sender.end(quick.url(), name=f"q{number}")
        sender.deliver(name="q0", until="q")

    assert {sender.queue.find(f"q{number}").webhook_status for number in range(30)} == {"SUCCEEDED"}
    assert {sender.queue.find(f"s{number}").webhook_status for number in range(3)} == {"PENDING"}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_over_https_the_certificate_counts(sender, authority, tls, tmp_path, monkeypatch):
    with receiving("200", tls=tls) as receiver:
        sender.end(receiver.url("https"), name="untrusted")
        untrusted = sender.deliver(name="untrusted")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        sender.end(receiver.url("https"), name="trusted")
        trusted = sender.deliver(name="trusted")

    assert untrusted == ("WEBHOOK_FAILED", "FAILED")
    assert trusted == ("SUCCEEDED", "SUCCEEDED")
    assert len(receiver.received) == 1


def test_the_environments_proxy_and_netrc_are_left_out(sender, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine localhost login me password private\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with receiving("200") as receiver:
        sender.end(receiver.url())
        assert sender.deliver() == ("SUCCEEDED", "SUCCEEDED")

    assert "authorization" not in receiver.received[0].headers


def test_no_log_holds_endpoint_output_or_secret(sender, caplog):
    caplog.set_level(logging.DEBUG)
    sender.secrets[:] = [NEW]
    with receiving("500", "404") as receiver:
        sender.end(receiver.url(), data='"a private output"')
        sender.deliver()

    said = [record for record in caplog.records if record.name.startswith("local_baseten.")]
    assert [record.getMessage() for record in said] == [
        "webhook: the receiver answered 500, trying again",
        "webhook failed: the receiver answered 404",
    ]
    assert {record.request_id for record in said} == {"r"}
    assert not any(
        word in str(vars(record)) for record in said for word in ("token", "private", "whsec")
    )


def test_asked_to_finish_it_starts_nothing_and_ends_what_is_under_way(sender):
    async def scenario(receiver: ScriptedReceiver) -> None:
        async with sender.deliverer(QUICK) as (deliverer, commits):
            running = asyncio.create_task(deliverer.run())
            while not receiver.received:
                await asyncio.sleep(0.01)
            deliverer.finish()
            await commits(sender.end, receiver.url(), name="later")
            await running

    with receiving("late") as receiver:
        sender.end(receiver.url())
        asyncio.run(scenario(receiver))

    assert sender.queue.find("r").webhook_status is WebhookStatus.SUCCEEDED
    assert sender.queue.find("later").webhook_status is WebhookStatus.PENDING
    assert len(receiver.received) == 1


def test_what_was_under_way_when_the_process_ended_is_made_again(tmp_path):
    """The delivery is claimed and never finished, as by kill -9."""
    with receiving("200") as receiver:
        with contextlib.closing(Database.open(tmp_path / "q.sqlite3")) as database:
            Sender(database, RequestQueue(database)).end(receiver.url())
            assert Deliveries(database).claim().attempts == 0
            assert Deliveries(database).claim() is None
        with contextlib.closing(Database.open(tmp_path / "q.sqlite3")) as database:
            assert Sender(database, RequestQueue(database)).deliver()[1] == "SUCCEEDED"
