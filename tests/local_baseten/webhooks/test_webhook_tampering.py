"""What the stand-in sends, changed on its way to the receiver: both ends, over real sockets."""

import time

import pytest

from baseten_webhooks import sign
from baseten_webhooks.receiver.application import DeliveryOutcome
from local_baseten.request_queue.requests import RequestQueue
from tests.baseten_webhooks.deliveries import NEW, OLD
from tests.baseten_webhooks.listening import Listening, listening_in
from tests.baseten_webhooks.scripted_receiver import Received, receiving
from tests.local_baseten.webhooks.webhook_sender import Sender

SIGNATURE = "x-baseten-signature"


@pytest.fixture
def sent(database) -> Received:
    """One event, as it left the stand-in in the middle of a rotation."""
    sender = Sender(database, RequestQueue(database), secrets=[NEW, OLD])
    with receiving("200") as receiver:
        sender.end(receiver.url())
        sender.deliver()
    return receiver.received[0]


def arrive(sent: Received, here: Listening, *, header: str | None, body: bytes) -> int:
    headers = {"content-type": "application/json"}
    if header is not None:
        headers[SIGNATURE] = header
    return here.http.post("/", content=body, headers=headers).status_code


KNOWING = [
    pytest.param([OLD], id="old", marks=pytest.mark.slow),
    pytest.param([NEW], id="new", marks=pytest.mark.slow),
    pytest.param([OLD, NEW], id="both"),
]


@pytest.mark.parametrize("knowing", KNOWING)
@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda header: header, 200),
        (lambda header: ",".join(reversed(header.split(","))), 200),
        (lambda header: header.replace(",", " , "), 200),
        (lambda header: f"v1={'0' * 64},{header}", 200),
        (lambda header: None, 401),
        (lambda header: "", 401),
        (lambda header: header.replace("v1=", ""), 401),
        (lambda header: header.replace("v1=", "v2="), 401),
        (lambda header: ",".join(part[:-1] for part in header.split(",")), 401),
        (lambda header: header[: len("v1=") + 32], 401),
        (lambda header: ",".join(f"v1={part[:2:-1]}" for part in header.split(",")), 401),
        (lambda header: sign(b"another body", [NEW, OLD]), 401),
        (lambda header: f"v1={'0' * 64}", 401),
    ],
    ids=[
        *("untouched", "reordered", "spaced", "a wrong one before"),
        *("missing", "empty", "without version", "another version"),
        *("truncated", "half of one", "backwards", "of another body", "wrong"),
    ],
)
def test_a_header_changed_on_the_way(sent, tmp_path, knowing, change, status):
    with listening_in(tmp_path, secrets=list(knowing), now=time.time()) as here:
        answer = arrive(sent, here, header=change(sent.headers[SIGNATURE]), body=sent.body)

    assert answer == status
    assert here.outcomes() == [DeliveryOutcome.STORED if status == 200 else DeliveryOutcome.REFUSED]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'"pages": 3', b'"pages": 4'),
        lambda body: body[:-1],
        lambda body: body + b"\n",
        lambda body: b"",
    ],
    ids=["another result", "truncated", "longer", "empty"],
)
def test_a_body_changed_on_the_way_is_refused(sent, tmp_path, change):
    with listening_in(tmp_path, secrets=[NEW], now=time.time()) as here:
        assert arrive(sent, here, header=sent.headers[SIGNATURE], body=change(sent.body)) == 401


def test_replayed_it_is_stored_once_and_later_not_at_all(sent, tmp_path):
    with listening_in(tmp_path, secrets=[NEW], now=time.time()) as here:
        answers = []
        for seconds in (0, 60, 600):
            here.now[0] += seconds
            answers.append(arrive(sent, here, header=sent.headers[SIGNATURE], body=sent.body))

    assert answers == [200, 200, 400]
    assert here.outcomes() == [
        DeliveryOutcome.STORED,
        DeliveryOutcome.DUPLICATE,
        DeliveryOutcome.REFUSED,
    ]
    assert here.inbox.path("r").read_bytes() == sent.body
