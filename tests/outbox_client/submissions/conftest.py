"""Two machines: the same bucket and service, a home each."""

import json

import pytest

from outbox_client.following import polling, tracker
from outbox_client.submissions import senders


@pytest.fixture
def silence_is_short(monkeypatch):
    """A sender that was killed is known to have stopped at once."""
    monkeypatch.setattr(senders, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(tracker, "_UNANSWERED_SECONDS", 0.0)


@pytest.fixture
def there(outbox, tmp_path, monkeypatch):
    """Runs a command on the other machine, which asks the service sooner than it would."""
    monkeypatch.setattr(polling, "_YOUNG_SECONDS", 0.3)

    def there(*arguments, **changes):
        return outbox(*arguments, OUTBOX_HOME=str(tmp_path / "home-there"), **changes)

    return there


@pytest.fixture
def counts_of():
    def counts_of(result):
        return json.loads(result.stdout)["counts"]

    return counts_of
