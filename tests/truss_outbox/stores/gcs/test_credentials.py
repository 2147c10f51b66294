"""Who the writer is to Google: a key, an OIDC token that changes, or nobody."""

import dataclasses

import pytest
from fastapi import HTTPException
from prometheus_client import generate_latest

from tests.canaries import found, seed
from tests.faults.scenario import answer, tiny_outbox
from tests.gcs_door import Answer, Door, TokenService, key_file, quoting, serving
from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    StoreUnavailableError,
)
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import GcsOptions, RetryingStore, open_store

TEXT = "text/plain"
PROVIDER = "projects/1/locations/global/workloadIdentityPools/pool/providers/baseten"
PART = 1 << 20


@pytest.fixture(autouse=True)
def _nobody_outside(monkeypatch, tmp_path):
    """No credentials but the test's own; what google-auth asks Google itself goes nowhere."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


@pytest.fixture
def door(gcs_options):
    with serving(door := Door(gcs_options.endpoint_url)):
        yield door


@pytest.fixture
def tokens():
    with serving(tokens := TokenService()):
        yield tokens


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    return path


@pytest.fixture
def keyless(door, tokens, token_file):
    return GcsOptions(
        endpoint_url=door.url,
        gcp_workload_identity_provider=PROVIDER,
        oidc_token_file=token_file,
        sts_url=tokens.url,
        iam_credentials_url=tokens.url,
        gcs_part_bytes=PART,
    )


def create(options, key="a"):
    open_store("gs://outbox/credentials", gcs=options).create(key, b"x", content_type=TEXT)


def test_an_oidc_token_is_exchanged_for_googles(keyless, door, tokens):
    create(keyless, "exchanged")
    assert door.seen[-1].token == "for-first"
    body = tokens.seen[0].body.decode()
    assert "audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2F" in body
    assert "devstorage.read_write" in body


def test_the_identity_acts_as_a_service_account_where_one_is_named(keyless, door, tokens):
    create(dataclasses.replace(keyless, gcp_service_account_email="me@p.iam"), "acting")
    assert door.seen[-1].token == "acting-for-first"
    assert "/serviceAccounts/me@p.iam:" in tokens.seen[-1].path


def test_a_token_file_that_changes_is_read_again(keyless, door, tokens, token_file):
    tokens.lifetime_seconds = 1  # google-auth renews minutes before the end: at every call
    tokens.trusted.add("second")
    store = open_store("gs://outbox/rotated", gcs=keyless)
    store.create("a", b"x", content_type=TEXT)
    token_file.write_text("second")
    store.create("b", b"x", content_type=TEXT)
    assert [seen.token for seen in door.seen] == ["for-first", "for-second"]


def test_a_token_that_ends_in_mid_upload_is_renewed(keyless, door, tokens, token_file, tmp_path):
    tokens.trusted.add("second")
    data = b"x" * (9 << 20)

    def before(seen):
        if "bytes 2097152-" in seen.headers.get("content-range", ""):
            token_file.write_text("second")
        ended = token_file.read_text() == "second"
        return Answer(status=401) if ended and seen.token == "for-first" else None

    door.before = before
    (tmp_path / "large").write_bytes(data)
    store = open_store("gs://outbox/expiring", gcs=keyless)
    store.put_file("a", tmp_path / "large", content_type=TEXT)
    assert store.get("a") == data
    assert [seen.token for seen in door.seen if seen.is_part] == ["for-first"] * 3 + [
        "for-second"
    ] * 7
    assert len([seen for seen in door.seen if seen.method == "POST"]) == 1


def test_a_token_google_does_not_trust_is_refused_without_being_told(keyless, token_file):
    token_file.write_text("stolen-token")
    with pytest.raises(AccessDeniedError, match="gcp_workload_identity_provider") as caught:
        create(keyless)
    assert "stolen-token" not in str(caught.value)


def test_no_word_of_an_oidc_token_nor_of_googles_own_is_said(
    keyless, door, tokens, token_file, caplog
):
    caplog.set_level("INFO")
    token_file.write_text(oidc := seed("OIDC token"))
    store = open_store("gs://outbox/keyless", gcs=keyless)
    outbox = tiny_outbox(RetryingStore(store, timeout_seconds=1))

    def refused(item: str) -> HTTPException:
        with pytest.raises(HTTPException) as caught:
            answer(outbox, {"metadata": {"item": item}, "text": "x"}, "R")
        return caught.value

    trusting, tokens.before = tokens.before, lambda seen: quoting(seen, status=400)
    untrusted = refused("a")
    tokens.before = trusting
    tokens.trusted.add(oidc)
    door.before = lambda seen: (
        quoting(seen, status=403) if b'"keyless/manifests/' in seen.body else None
    )
    forbidden = refused("b")

    assert door.seen[-1].token == f"for-{oidc}"
    assert b'"keyless/failures/' in door.seen[-1].body
    said = {"the answers": f"{untrusted.detail} {forbidden.detail}", "the log": caplog.text}
    said |= {"the record": door.seen[-1].body.decode(), "metrics": generate_latest().decode()}
    assert found(said) == []


def test_a_missing_token_file_is_refused(keyless, token_file):
    token_file.unlink()
    with pytest.raises(AccessDeniedError, match="gcp_workload_identity_provider"):
        create(keyless)


def test_a_token_service_that_is_away_is_unavailable(keyless, tokens):
    with pytest.raises(StoreUnavailableError):
        create(dataclasses.replace(keyless, sts_url="http://127.0.0.1:9"))


@pytest.mark.parametrize("status", [429, 502, 520])
@pytest.mark.parametrize("part", ["/v1/token", "generateAccessToken"])
def test_a_fault_of_a_token_service_is_repeated(keyless, door, tokens, status, part):
    give, faults = tokens.before, [Answer(status=status)] * 2

    def fail_first(seen):
        return faults.pop() if faults and part in seen.path else give(seen)

    tokens.before = fail_first
    options = dataclasses.replace(keyless, gcp_service_account_email="me@p.iam")
    store = RetryingStore(open_store("gs://outbox/faults", gcs=options), timeout_seconds=20)
    with without_pauses(tries=4):
        store.create(f"{part.strip('/')}-{status}", b"x", content_type=TEXT)
    assert door.seen[-1].token == "acting-for-first"
    assert faults == []


def test_a_fault_of_the_service_that_takes_a_key_is_repeated(door, tokens):
    give, faults = tokens.before, [Answer(status=502)]
    tokens.before = lambda seen: faults.pop() if faults else give(seen)
    options = GcsOptions(endpoint_url=door.url, service_account=key_file(tokens.url))
    with pytest.raises(StoreUnavailableError):
        create(options, "key-later")
    create(options, "key-later")
    assert door.seen[-1].token == "of-key"


def test_a_service_accounts_key_signs_for_a_token(door, tokens):
    create(GcsOptions(endpoint_url=door.url, service_account=key_file(tokens.url)), "key")
    assert door.seen[-1].token == "of-key"


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '{"private_key": "secret-words"}'])
def test_a_key_that_is_none_is_named_and_not_quoted(text):
    with pytest.raises(ConfigurationError, match="gcp_service_account: is not") as caught:
        create(GcsOptions(service_account=text))
    assert "secret-words" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_credentials_are_named():
    with pytest.raises(ConfigurationError, match="gcp_service_account") as caught:
        open_store("gs://outbox")
    assert caught.value.setting == "Google credentials"


def test_no_secret_is_part_of_the_options_own_words():
    assert "secret-words" not in repr(GcsOptions(service_account="secret-words"))
