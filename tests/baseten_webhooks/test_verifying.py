"""`verify` against every header and body that may come."""

import hashlib
import hmac
import math
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseten_webhooks import (
    EventError,
    MalformedPayloadError,
    MalformedSecretError,
    MissingSignatureError,
    NoSecretError,
    StaleEventError,
    WebhookError,
    WrongSignatureError,
    sign,
    verify,
)
from tests.baseten_webhooks.deliveries import NEW, NOW, OLD, body_of, headers_of
from tests.tiny_truss import PROJECT

BODY = body_of()


def hex_of(secret: str, body: bytes = BODY) -> str:
    """Written here once more, from the service's documentation."""
    return hmac.new(secret.encode("utf-8"), body, hashlib.sha256).hexdigest()


GOOD_OLD, GOOD_NEW, BAD = hex_of(OLD), hex_of(NEW), "0" * 64


def verified(header: str, secrets: list[str], *, body: bytes = BODY, now: float = NOW):
    return verify({"X-BASETEN-SIGNATURE": header}, body, secrets=secrets, now=now)


def test_an_event_is_what_was_sent():
    errors = [{"code": "MODEL_PREDICT_ERROR", "message": "no"}]
    body = body_of(data=None, errors=errors)

    event = verify(headers_of(body, NEW), body, secrets=[NEW], now=NOW)

    assert event.request_id == "9876543210abcdef1234567890fedcba"
    assert (event.model_id, event.deployment_id) == ("abc123", "def456")
    assert event.type == "async_request_completed"
    assert event.time == datetime(2024, 4, 30, 1, 1, 8, 883423, tzinfo=UTC)
    assert event.data is None
    assert event.errors == (EventError(code="MODEL_PREDICT_ERROR", message="no"),)


@pytest.mark.parametrize(
    ("header", "secrets"),
    [
        (f"v1={GOOD_NEW}", [NEW]),
        (f"v1={GOOD_NEW},v1={GOOD_OLD}", [NEW]),
        (f"v1={GOOD_NEW},v1={GOOD_OLD}", [OLD]),
        (f"v1={GOOD_OLD},v1={GOOD_NEW}", [NEW]),
        (f"v1={GOOD_OLD},v1={GOOD_NEW}", [OLD]),
        (f"v1={GOOD_OLD}", [NEW, OLD]),
        (f"v1={GOOD_NEW}", [OLD, NEW]),
        (f"v1={GOOD_NEW},v1={GOOD_OLD}", [OLD, NEW]),
        (f"v1={BAD},v1={GOOD_NEW}", [NEW]),
        (f"v1={GOOD_NEW},v1={BAD}", [NEW]),
        (f"v1={BAD}, v1={GOOD_NEW}", [NEW]),
        (f"v2={BAD},v1={GOOD_NEW}", [NEW]),
        (f"v1=,v1=\xe9,nonsense,,v1={GOOD_NEW}", [NEW]),
    ],
)
def test_one_signature_that_fits_one_secret_is_enough(header, secrets):
    assert verified(header, secrets).model_id == "abc123"


@pytest.mark.parametrize(
    "header",
    [
        f"v1={BAD}",
        f"v1={GOOD_OLD}",
        f"v1={GOOD_NEW[:-1]}",
        f"v1={GOOD_NEW[:32]},v1={GOOD_NEW[32:]}",
        f"v1={GOOD_NEW}0",
        f"v1={GOOD_NEW[::-1]}",
        f"v1={hex_of(NEW, BODY + b' ')}",
        f"v1={hex_of(NEW + chr(10))}",
        f"v1={hex_of('')}",
        "v1=",
        "v1=\xe9\u4e2d\ud800",
        f"v1=v1={GOOD_NEW}",
    ],
)
def test_what_fits_no_secret_is_refused(header):
    with pytest.raises(WrongSignatureError) as refused:
        verified(header, [NEW])

    assert refused.value.status == 401
    for secret in (NEW, GOOD_NEW, "private"):
        assert secret not in str(refused.value)


@pytest.mark.parametrize("header", ["", GOOD_NEW, f"v2={GOOD_NEW}", f"V1={GOOD_NEW}", ","])
def test_without_a_v1_signature_there_is_nothing_to_verify(header):
    with pytest.raises(MissingSignatureError):
        verified(header, [NEW])


def test_a_delivery_without_the_header_is_refused():
    with pytest.raises(MissingSignatureError, match="once a webhook secret exists"):
        verify({"X-BASETEN-REQUEST-ID": "r"}, BODY, secrets=[NEW], now=NOW)


@pytest.mark.parametrize("name", ["X-BASETEN-SIGNATURE", "x-baseten-signature"])
def test_headers_are_found_in_any_case_and_in_whatever_holds_them(name):
    header = f"v1={GOOD_NEW}"
    for headers in ({name: header}, httpx.Headers({name: header})):
        assert verify(headers, BODY, secrets=[NEW], now=NOW)


def test_a_header_sent_twice_counts_as_one_list():
    headers = httpx.Headers([("x-baseten-signature", f"v1={one}") for one in (BAD, GOOD_NEW)])

    assert verify(headers, BODY, secrets=[NEW], now=NOW)


@pytest.mark.parametrize(
    "body", [BODY[:-1], BODY + b" ", BODY.replace(b": ", b":"), body_of(request_id="other"), b""]
)
def test_a_body_that_is_not_the_signed_one_is_refused(body):
    with pytest.raises(WrongSignatureError):
        verified(f"v1={GOOD_NEW}", [NEW], body=body)


@pytest.mark.parametrize("age", [-300, -299.9, 0, 13.5, 299.9, 300])
def test_an_event_is_fresh_within_the_tolerance(age):
    assert verified(f"v1={GOOD_NEW}", [NEW], now=NOW + age)


@pytest.mark.parametrize(("age", "side"), [(300.5, "old"), (86_400, "old"), (-301, "future")])
def test_a_replay_after_the_tolerance_is_refused(age, side):
    with pytest.raises(StaleEventError, match=side) as refused:
        verified(f"v1={GOOD_NEW}", [NEW], now=NOW + age)

    assert refused.value.age_seconds == pytest.approx(age)


def test_a_replayed_signature_does_not_carry_another_time():
    with pytest.raises(WrongSignatureError):
        verified(f"v1={GOOD_NEW}", [NEW], body=body_of(time="2026-01-01T00:00:00Z"))


def test_the_tolerance_is_the_callers():
    headers = headers_of(BODY, NEW)

    assert verify(headers, BODY, secrets=[NEW], now=NOW + 900, tolerance_seconds=1_000)
    with pytest.raises(StaleEventError):
        verify(headers, BODY, secrets=[NEW], now=NOW + 11, tolerance_seconds=10)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (body_of(request_id=None), "request_id"),
        (body_of(request_id=""), "request_id"),
        (body_of(request_id=7), "request_id"),
        (body_of(time=None), "time"),
        (body_of(time="yesterday"), "time"),
        (body_of(time=1_714_438_868), "time"),
        (body_of(model_id={}), "model_id"),
        (body_of(errors="no"), "errors"),
    ],
)
def test_a_signed_body_that_is_no_event_is_named_and_not_quoted(body, problem):
    with pytest.raises(MalformedPayloadError, match=problem) as refused:
        verify(headers_of(body, NEW), body, secrets=[NEW], now=NOW)

    assert "private" not in str(refused.value)


@pytest.mark.parametrize("time", ["2024-04-30T01:01:08.883423123Z", "2024-04-30T01:01:08.883423"])
def test_times_are_utc_however_exact(time):
    body = body_of(time=time)

    assert verify(headers_of(body, NEW), body, secrets=[NEW], now=NOW, tolerance_seconds=0.001)


def test_fields_that_are_new_or_absent_do_not_matter():
    body = b'{"request_id": "r", "time": "2024-04-30T01:01:08Z", "chain_id": "c"}'

    event = verify(headers_of(body, NEW), body, secrets=[NEW], now=NOW)

    assert (event.request_id, event.model_id, event.data, event.errors) == ("r", "", None, ())


@pytest.mark.parametrize("secrets", [[], [""], [NEW, ""], [" "], NEW, ()])
def test_no_secret_lets_nobody_in(secrets):
    with pytest.raises(NoSecretError):
        verify(headers_of(BODY, *(secrets or [""])), BODY, secrets=secrets, now=NOW)


def test_an_event_does_not_show_its_data_in_a_log():
    assert "private" not in repr(verified(f"v1={GOOD_NEW}", [NEW]))


@given(st.text(), st.binary())
def test_whatever_comes_unsigned_is_refused_and_nothing_else_happens(header, body):
    with pytest.raises(WebhookError):
        verify({"x-baseten-signature": header}, body, secrets=[NEW], now=NOW)


@given(
    st.lists(st.text(min_size=1).map(lambda text: "".join(f"w{text}".split())), min_size=1),
    st.binary(),
)
def test_every_secret_gives_a_signature_that_any_of_them_verifies(secrets, body):
    header = sign(body, secrets)

    assert header == ",".join(f"v1={hex_of(secret, body)}" for secret in secrets)
    for secret in secrets:
        with pytest.raises(MalformedPayloadError):
            verify({"x-baseten-signature": header}, body, secrets=[secret], now=NOW)


@pytest.fixture
def copied(tmp_path) -> Path:
    """Where the package lies as `hooks`, as in a project that copied it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "scripts" / "baseten_webhooks", tmp_path / "hooks", ignore=ignored)
    return tmp_path


def run_beside(copied: Path, program: str, *options: str, **environment: str) -> str:
    """Python without this checkout on its path, and with `copied`; what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", *options, "-c", ONLY_COPIED + program, copied],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


ONLY_COPIED = f"""
import sys
sys.path[:] = [sys.argv[1]] + [
    path for path in sys.path
    if path.startswith(sys.prefix) or not path.startswith({str(PROJECT)!r})
]
"""
VERIFYING = f"""
from hooks import WrongSignatureError, verify
body, headers = {BODY!r}, {headers_of(BODY, NEW)!r}
print(verify(headers, body, secrets=[{OLD!r}, {NEW!r}], now={NOW}).request_id)
try:
    verify(headers, body + b" ", secrets=[{NEW!r}], now={NOW})
except WrongSignatureError as error:
    print(error.status)
"""
RECEIVING = f"""
import asyncio, httpx, pathlib
from hooks.receiver.application import Receiver
from hooks.receiver.inbox import Inbox
inbox = Inbox.open(pathlib.Path(sys.argv[1]) / "inbox")
receiver = Receiver(
    inbox=inbox, secrets=lambda: [{NEW!r}], on_delivery=lambda one: print(one.outcome),
    clock=lambda: {NOW},
)
async def post():
    transport = httpx.ASGITransport(receiver.application())
    async with httpx.AsyncClient(transport=transport, base_url="http://hooks") as client:
        return await client.post("/", content={BODY!r}, headers={headers_of(BODY, NEW)!r})
print(asyncio.run(post()).status_code)
print(inbox.path("9876543210abcdef1234567890fedcba").read_bytes() == {BODY!r})
print([name for name in sys.modules if name.startswith(("truss_outbox", "baseten_webhooks"))])
"""


def test_a_copy_under_another_name_verifies_with_the_standard_library_alone(copied):
    assert run_beside(copied, VERIFYING, "-S") == "9876543210abcdef1234567890fedcba\n401\n"


def test_the_copys_receiver_stores_with_starlette_and_none_of_our_other_packages(copied):
    assert run_beside(copied, RECEIVING) == "stored\n200\nTrue\n[]\n"


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "{} ", " {}", "\t{}", "{0}\n{0}"])
def test_white_space_in_a_secret_is_named_and_never_stripped(around):
    secrets = [OLD, around.format(NEW)]
    with pytest.raises(MalformedSecretError, match="secret 2 has white space") as caught:
        verify(headers_of(BODY, OLD), BODY, secrets=secrets, now=NOW)
    assert caught.value.number == 2
    assert NEW not in str(caught.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["now", "tolerance_seconds"])
def test_a_number_that_is_not_finite_accepts_nothing(name, number):
    numbers = {"now": NOW, "tolerance_seconds": 300.0} | {name: number}

    with pytest.raises(ValueError, match=f"^{name} must be a finite"):
        verify(headers_of(BODY, NEW), BODY, secrets=[NEW], **numbers)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_an_event_from_the_ends_of_time_is_stale(time):
    body = body_of(time=time)

    with pytest.raises(StaleEventError):
        verify(headers_of(body, NEW), body, secrets=[NEW], now=NOW)
