"""The secrets that webhooks are signed with: one, or two for a day while one is rotated."""

import contextlib
import fcntl
import json
import secrets
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import TooManySecretsError, UnknownSecretError
from ..state_directory import make_private, private_files, write_private

ROTATION_SECONDS = 24 * 3_600.0
"""How long the former secret still signs, beside the new one."""

_MAX_ACTIVE = 2
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookSecret:
    """`id` names it, `secret` is shown once; `expires_at` None is no end."""

    id: str
    secret: str = field(repr=False)
    created_at: float
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """A file that only its owner can read; a change by any process counts at the next webhook."""

    path: Path
    clock: Callable[[], float] = time.time

    def active(self) -> list[WebhookSecret]:
        """The newest first."""
        try:
            entries = json.loads(self.path.read_text())
        except FileNotFoundError:
            return []
        now = self.clock()
        found = [WebhookSecret(**entry) for entry in entries]
        return [one for one in found if one.expires_at is None or one.expires_at > now]

    def signing(self) -> list[str]:
        """What to sign with, the newest first."""
        return [one.secret for one in self.active()]

    def add(self) -> WebhookSecret:
        """A new one; the former expires in 24 hours. Raises TooManySecretsError."""
        now = self.clock()
        with self._locked():
            active = self.active()
            if len(active) >= _MAX_ACTIVE:
                raise TooManySecretsError
            added = WebhookSecret(
                id=secrets.token_hex(4),
                secret="whsec_" + "".join(secrets.choice(_ALPHABET) for _ in range(40)),
                created_at=now,
            )
            former = [replace(one, expires_at=now + ROTATION_SECONDS) for one in active]
            self._write([added, *former])
        return added

    def expire(self, secret_id: str) -> WebhookSecret:
        """Delete it: the next webhook is not signed with it. Raises UnknownSecretError."""
        with self._locked():
            active = self.active()
            kept = [one for one in active if one.id != secret_id]
            if len(kept) == len(active):
                raise UnknownSecretError(secret_id)
            self._write(kept)
        return next(one for one in active if one.id == secret_id)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        make_private(self.path.parent)
        with private_files(), self.path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, entries: list[WebhookSecret]) -> None:
        write_private(self.path, json.dumps([asdict(entry) for entry in entries]) + "\n", sync=True)
