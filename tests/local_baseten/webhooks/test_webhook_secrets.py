"""One secret, or two for a day."""

import json

import pytest
from typer.testing import CliRunner

from local_baseten.errors import TooManySecretsError, UnknownSecretError
from local_baseten.webhooks.secret_file import WebhookSecrets
from outbox_client.commands.app import app

DAY = 24 * 3_600


@pytest.fixture
def secrets(tmp_path, clock) -> WebhookSecrets:
    return WebhookSecrets(tmp_path / "state" / "webhook-secrets.json", clock)


def test_at_first_nothing_is_signed(secrets):
    assert secrets.signing() == []


def test_a_secret_looks_as_documented_and_no_two_are_alike(secrets):
    first, second = secrets.add(), secrets.add()

    assert first.secret.startswith("whsec_")
    assert len(first.secret) == len(second.secret) == 46
    assert first.secret != second.secret
    assert first.secret not in repr(first)


def test_rotated_the_former_signs_for_a_day_after_the_new_one(secrets, clock):
    old = secrets.add()
    clock.now += 90 * DAY
    assert secrets.signing() == [old.secret]

    new = secrets.add()

    assert secrets.signing() == [new.secret, old.secret]
    clock.now += DAY - 0.001
    assert secrets.signing() == [new.secret, old.secret]
    clock.now += 0.001
    assert secrets.signing() == [new.secret]
    clock.now += 90 * DAY
    assert secrets.signing() == [new.secret]


def test_there_are_never_three(secrets, clock):
    secrets.add()
    secrets.add()
    with pytest.raises(TooManySecretsError):
        secrets.add()

    clock.now += DAY

    secrets.add()
    assert len(secrets.active()) == 2


def test_expired_by_hand_it_is_gone_at_once(secrets):
    old, new = secrets.add(), secrets.add()

    secrets.expire(new.id)

    assert secrets.signing() == [old.secret]
    with pytest.raises(UnknownSecretError):
        secrets.expire(new.id)
    assert new.secret not in secrets.path.read_text()


def test_only_the_owner_can_read_them(secrets):
    secrets.add()

    assert secrets.path.stat().st_mode & 0o777 == 0o600
    assert secrets.path.parent.stat().st_mode & 0o777 == 0o700


def outbox(*words: str):
    return CliRunner().invoke(app, ["webhook", "secrets", *words])


def test_the_commands_show_a_secret_once(tmp_path):
    state = f"--state={tmp_path}"
    assert "not signed" in outbox("list", state).stdout
    old = outbox("add", state).stdout.strip()
    new = json.loads(outbox("add", state, "--json").stdout)
    listed, document = outbox("list", state), json.loads(outbox("list", state, "--json").stdout)
    full = outbox("add", state)
    ended = outbox("expire", new["id"], state)
    unknown = outbox("expire", "nonsense", state)

    assert document["secrets"][0]["id"] == new["id"]
    assert [one["expires_at"] is None for one in document["secrets"]] == [True, False]
    assert (full.exit_code, ended.exit_code, unknown.exit_code) == (2, 0, 2)
    assert WebhookSecrets(tmp_path / "webhook-secrets.json").signing() == [old]
    shown = "".join(done.output for done in (listed, full, ended, unknown))
    assert "whsec" not in shown + json.dumps(document)
