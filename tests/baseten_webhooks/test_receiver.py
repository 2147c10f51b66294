"""The receiver on a real socket: as a server in this process, and as the command."""

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseten_webhooks.receiver.application import DeliveryOutcome
from baseten_webhooks.receiver.inbox import Inbox
from tests.baseten_webhooks.deliveries import NEW, NOW, OLD, body_of, headers_of
from tests.baseten_webhooks.listening import Listening, listening_in
from tests.waiting import until
from truss_outbox.contract.keys import escape

BODY = body_of()
STORED, DUPLICATE = DeliveryOutcome.STORED, DeliveryOutcome.DUPLICATE
REQUEST_ID = "9876543210abcdef1234567890fedcba"
SIGNED = "x-baseten-signature: v1=ab"


def head(length: int, header: str = SIGNED) -> bytes:
    return f"POST / HTTP/1.1\r\nhost: h\r\n{header}\r\ncontent-length: {length}\r\n\r\n".encode()


def _signature(body: bytes) -> str:
    return f"x-baseten-signature: {headers_of(body, NEW)['X-BASETEN-SIGNATURE']}"


@pytest.fixture
def listening(tmp_path) -> Iterator[Listening]:
    with listening_in(tmp_path / "inbox", secrets=[NEW], now=NOW) as running:
        yield running


@pytest.fixture
def listening_by(tmp_path) -> Iterator[Callable[[str], Listening]]:
    """By the protocol of that name, which is uvicorn's choice else."""
    with contextlib.ExitStack() as stack:
        yield lambda http: stack.enter_context(
            listening_in(tmp_path / "inbox", secrets=[NEW], now=NOW, http=http)
        )


def test_an_event_is_stored_byte_for_byte_and_acknowledged(listening):
    answer = listening.post(BODY, NEW)

    assert (answer.status_code, answer.text) == (200, "")
    assert listening.inbox.path(REQUEST_ID).read_bytes() == BODY
    assert listening.outcomes() == [STORED]
    assert listening.deliveries[0].event.request_id == REQUEST_ID


@given(st.text(min_size=1))
def test_an_events_file_is_named_as_its_requests_result_is(request_id):
    """Both escape in the same way, and neither can import the other."""
    path = Inbox(Path("inbox"), sync=os.fsync).path(request_id)

    assert path == Path("inbox") / f"{escape(request_id)}.json"


def test_a_repetition_is_acknowledged_and_the_first_event_stays(listening):
    later = body_of(data="another")

    answers = [listening.post(body, NEW) for body in (BODY, BODY, later)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert listening.outcomes() == [
        STORED,
        DUPLICATE,
        DUPLICATE,
    ]
    assert listening.inbox.path(REQUEST_ID).read_bytes() == BODY


def test_of_many_at_once_exactly_one_is_new(listening):
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda _: listening.post(BODY, NEW), range(24)))

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(listening.outcomes()) == [DUPLICATE] * 23 + [STORED]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (headers_of(BODY, OLD), 401),
        (headers_of(b"other", NEW), 401),
        ({"x-baseten-signature": headers_of(BODY, NEW)["X-BASETEN-SIGNATURE"][:-2]}, 401),
    ],
    ids=["missing", "another secret", "another body", "truncated"],
)
def test_what_is_not_signed_rightly_is_refused_and_not_stored(listening, headers, status):
    answer = listening.http.post("/", content=BODY, headers=headers)

    assert answer.status_code == status
    assert answer.text == listening.deliveries[0].problem
    assert listening.outcomes() == [DeliveryOutcome.REFUSED]
    assert not listening.inbox.path(REQUEST_ID).exists()


def test_a_signed_body_that_is_no_event_is_400(listening):
    assert listening.post(b"{}", NEW).status_code == 400


def test_a_replay_is_a_duplicate_first_and_stale_later(listening):
    listening.post(BODY, NEW)
    listening.now[0] += 299
    assert listening.post(BODY, NEW).status_code == 200
    listening.now[0] += 2

    answer = listening.post(BODY, NEW)

    assert (answer.status_code, "301 s old" in answer.text) == (400, True)
    assert listening.outcomes() == [
        STORED,
        DUPLICATE,
        DeliveryOutcome.REFUSED,
    ]


def test_through_a_rotation_no_event_is_refused(listening):
    """The service signs with both for a day; here the new secret comes at some time in it."""
    for step, (sender, here) in enumerate(
        [([OLD], [OLD]), ([NEW, OLD], [OLD]), ([NEW, OLD], [OLD, NEW]), ([NEW], [NEW])]
    ):
        listening.secrets[:] = here
        assert listening.post(body_of(request_id=f"r{step}"), *sender).status_code == 200


def test_a_disk_that_fails_is_503_and_mended_it_takes_the_repetition(listening, tmp_path):
    (tmp_path / "inbox").rename(tmp_path / "away")
    answer = listening.post(BODY, NEW)
    (tmp_path / "away").rename(tmp_path / "inbox")

    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text
    assert listening.outcomes() == [DeliveryOutcome.NOT_STORED]
    assert listening.post(BODY, NEW).status_code == 200
    assert listening.inbox.path(REQUEST_ID).read_bytes() == BODY


def test_without_a_secret_nothing_is_taken(listening):
    listening.secrets.clear()

    assert listening.post(BODY, NEW).status_code == 503


def test_a_body_that_is_too_large_is_413(listening):
    assert listening.post(b"x" * 10_001, NEW).status_code == 413


def test_a_sender_that_stalls_does_not_hold_the_receiver(listening):
    with listening.connected(head(100), b"{") as slow:
        assert listening.post(BODY, NEW).status_code == 200
        assert b" 408 " in slow.recv(1_000)


def test_a_sender_that_hangs_up_leaves_nothing(listening):
    with listening.connected(head(100), b"{"):
        pass

    until(lambda: listening.outcomes() == [DeliveryOutcome.REFUSED], "the hang-up is seen")


@pytest.mark.parametrize(
    ("length", "header", "status"),
    [
        (100, "x: y", 401),
        (100, "x-baseten-signature: v2=a", 401),
        (10_001, SIGNED, 413),
        (10**18, SIGNED, 413),
    ],
)
def test_what_its_headers_say_is_refused_before_a_byte_of_the_body(
    listening, length, header, status
):
    with listening.connected(head(length, header)) as sender:
        assert f" {status} ".encode() in sender.recv(1_000)
    assert listening.outcomes() == [DeliveryOutcome.REFUSED]


def test_a_body_without_a_length_is_refused_where_it_becomes_too_large(listening):
    chunked = f"POST / HTTP/1.1\r\nhost: h\r\n{SIGNED}\r\ntransfer-encoding: chunked\r\n\r\n"
    with listening.connected(chunked.encode(), b"2711\r\n", b"x" * 10_001) as sender:
        assert b" 413 " in sender.recv(1_000)


def test_all_bodies_at_once_have_a_bound_that_is_free_again_after_them(listening):
    with (
        listening.connected(head(9_000), b"x" * 8_000) as one,
        listening.connected(head(9_000), b"x" * 8_000) as other,
    ):
        answers = {sender.recv(1_000).split()[1] for sender in (one, other)}
    assert answers == {b"503", b"408"}  # too many bytes at once; and what never came in full

    assert listening.post(body_of(data="x" * 9_000), NEW).status_code == 200


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("sent", [b"", b"POST / HT", head(1)[:-2]], ids=["nothing", "line", "head"])
def test_a_connection_on_which_no_request_comes_is_ended(listening_by, http, sent):
    with listening_by(http).connected(sent) as half_open:
        assert half_open.recv(1_000) == b""


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_body_that_goes_on_after_its_refusal_is_ended_too(listening_by, http):
    with (
        listening_by(http).connected(head(10**18), b"x") as sender,
        contextlib.suppress(ConnectionError),
    ):
        assert b" 413 " in sender.recv(1_000)
        bounded = itertools.islice(itertools.repeat(b"x"), 30)
        until(lambda: _ended(sender, next(bounded)), "the end of the connection")


def _ended(sender: socket.socket, dripped: bytes) -> bool:
    sender.sendall(dripped)
    return bool(select.select([sender], [], [], 0.1)[0]) and not sender.recv(1_000)


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_connection_takes_one_request_after_the_other(listening_by, http):
    listening = listening_by(http)
    request = head(len(BODY), _signature(BODY)) + BODY
    with listening.connected(request) as sender:
        assert b" 200 " in sender.recv(1_000)
        sender.sendall(request[:20])
        sender.sendall(request[20:])
        assert b" 200 " in sender.recv(1_000)


@pytest.mark.parametrize(
    "request_id",
    [
        *("../../x", "/etc/x", "a\\b", "a\nb", "a\n", ".", "..", ".hidden", " a"),
        *("e\x00", "\x1b[2J", "é", "\ud800", "a" * 129, "a" * 9_000),
    ],
)
def test_an_id_that_the_service_never_gives_is_400_and_stores_nothing(
    listening, tmp_path, request_id
):
    assert listening.post(body_of(request_id=request_id), NEW).status_code == 400

    assert list((tmp_path / "inbox").iterdir()) == []


def test_the_bytes_are_on_disk_before_the_name_and_the_name_before_the_answer(tmp_path):
    synced = []

    def sync(descriptor: int) -> None:
        file = os.fstat(descriptor)
        size = file.st_size if stat.S_ISREG(file.st_mode) else None
        synced.append((size, (tmp_path / "a.json").exists()))

    inbox = Inbox.open(tmp_path, sync=sync)

    assert inbox.keep("a", BODY)
    assert synced == [(len(BODY), False), (None, True)]
    assert not inbox.keep("a", b"other")
    assert synced[2:] == [(5, True), (None, True)]


def test_what_a_crash_left_half_written_is_cleared_and_no_event(tmp_path):
    inbox = Inbox.open(tmp_path)
    inbox.keep("a", b"1")
    (tmp_path / ".incoming-x").write_bytes(b"half")

    Inbox.open(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@dataclass
class Command:
    process: subprocess.Popen[str]
    url: str

    def post(self, body: bytes, *secrets: str) -> int:
        headers = headers_of(body, *secrets)
        return httpx.post(f"{self.url}/hook", content=body, headers=headers).status_code

    def line(self) -> str:
        return self.process.stdout.readline()


@contextlib.contextmanager
def command(*options, **environment: str) -> Iterator[Command]:
    words = [sys.executable, "-m", "outbox_client", "webhook", "listen", *map(str, options)]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*words, "--port=0"], env=variables, **pipes) as process:
        try:
            ready = process.stderr.readline()
            assert ready.startswith("Listening on http://127.0.0.1:"), ready + process.stderr.read()
            yield Command(process, ready.split()[2].rstrip(";"))
        finally:
            process.kill()


def now_body(**changes) -> bytes:
    return body_of(time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **changes)


def test_the_command_prints_a_line_per_event_and_never_its_data(tmp_path):
    failed = [{"code": "MODEL_\x1b[2JERROR", "message": "a private message"}]
    with command("--to", tmp_path, OUTBOX_WEBHOOK_SECRETS=f"{OLD} {NEW}") as listen:
        assert listen.post(now_body(request_id="a"), NEW) == 200
        assert listen.post(now_body(request_id="a"), OLD) == 200
        assert listen.post(now_body(request_id="b:1", data=None, errors=failed), NEW) == 200
        assert listen.post(now_body(), "whsec_wrong") == 401
        lines = [listen.line() for _ in range(4)]
        listen.process.send_signal(signal.SIGINT)
        output, errors = listen.process.communicate(timeout=60)

    assert listen.process.returncode == 0
    assert (output, errors) == ("", "")
    assert [line.split("  ")[1:4] for line in lines[:2]] == [
        ["stored", "a", "succeeded"],
        ["duplicate", "a", "succeeded"],
    ]
    assert lines[2].split("  ")[1:4] == ["stored", "b:1", "MODEL_\\x1b[2JERROR"]
    assert lines[3].split("  ")[1:3] == ["refused", "401"]
    assert not any("private" in line or "whsec" in line for line in lines)


def test_a_new_secret_counts_at_once(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text(f"{OLD}\n")
    with command("--to", tmp_path / "inbox", "--secrets-file", secrets, "--json") as listen:
        assert listen.post(now_body(request_id="a"), NEW, OLD) == 200
        assert listen.post(now_body(request_id="b"), NEW) == 401
        secrets.write_text(f"{OLD}\n{NEW}\n")
        assert listen.post(now_body(request_id="b"), NEW) == 200
        documents = [json.loads(listen.line()) for _ in range(3)]

    assert [one["outcome"] for one in documents] == ["stored", "refused", "stored"]
    assert [one["request_id"] for one in documents] == ["a", None, "b"]


def test_what_was_acknowledged_is_there_after_kill_9(tmp_path):
    acknowledged = []

    def post_until_it_ends(listen: Command, name: str) -> None:
        with contextlib.suppress(httpx.TransportError):
            for number in itertools.count():
                body = now_body(request_id=f"{name}{number}", data="x" * 50_000)
                assert listen.post(body, NEW) == 200
                acknowledged.append((f"{name}{number}", body))

    with (
        command("--to", tmp_path, OUTBOX_WEBHOOK_SECRETS=NEW) as listen,
        ThreadPoolExecutor(4) as executor,
    ):
        posting = [executor.submit(post_until_it_ends, listen, name) for name in "abcd"]
        until(lambda: len(acknowledged) >= 40, "some are acknowledged")
        os.kill(listen.process.pid, signal.SIGKILL)
        for one in posting:
            one.result()

    inbox = Inbox.open(tmp_path)
    for request_id, body in acknowledged:
        assert inbox.path(request_id).read_bytes() == body
        assert not inbox.keep(request_id, b"again")
    for stored in tmp_path.iterdir():
        assert json.loads(stored.read_bytes())["data"] == "x" * 50_000


def refused_by_the_command(tmp_path, *options, secrets=""):
    words = [sys.executable, "-m", "outbox_client", "webhook", "listen", "--to", str(tmp_path)]
    environment = {**os.environ, "OUTBOX_WEBHOOK_SECRETS": secrets}

    done = subprocess.run(
        [*words, *options], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 3
    return done.stderr


def test_the_command_needs_a_secret(tmp_path):
    assert "--secrets-file" in refused_by_the_command(tmp_path, secrets=" ")


def test_the_command_names_a_secret_with_white_space_and_does_not_show_it(tmp_path):
    said = refused_by_the_command(tmp_path, secrets=f"{OLD} {NEW}\n")
    assert said.startswith("outbox: OUTBOX_WEBHOOK_SECRETS: webhook secret 2 has white space")
    (tmp_path / "secrets").write_text(f"{OLD} \n\n{NEW}\n")
    told = refused_by_the_command(tmp_path, "--secrets-file", str(tmp_path / "secrets"))
    assert told.startswith(f"outbox: {tmp_path / 'secrets'}: webhook secret 1 has white space")
    assert not [secret for secret in (OLD, NEW) if secret in said + told]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/a/b?c=d"])
def test_a_health_check_is_answered_200_and_told_nothing(listening, method, path):
    listening.secrets.clear()
    answer = listening.http.request(method, path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert {name.lower() for name in answer.headers} <= {"date", "server", "content-length"}
    assert listening.deliveries == []
    assert listening.http.request("PUT", path).status_code == 405


def test_a_secret_with_white_space_is_named_and_the_event_is_repeated(listening):
    listening.secrets[:] = [OLD, f"{NEW}\n"]
    answer = listening.post(BODY, NEW)
    assert answer.status_code == 503
    assert "webhook secret 2 has white space" in answer.text
    assert "whsec" not in answer.text
