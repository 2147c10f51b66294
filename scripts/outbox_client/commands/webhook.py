"""Webhooks: a receiver for them, and the secrets that the stand-in signs them with."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truss_outbox.contract.errors import ConfigurationError, InvalidInputError
from truss_outbox.contract.text import printable

from .answers.printing import answer, say, timestamp
from .options import Json, command

if TYPE_CHECKING:
    from baseten_webhooks.receiver.application import ReceivedDelivery
    from local_baseten.webhooks.secret_file import WebhookSecret, WebhookSecrets

app = typer.Typer(
    name="webhook", no_args_is_help=True, help="Receive webhooks; sign the stand-in's."
)
secrets = typer.Typer(no_args_is_help=True, help="The stand-in's webhook secrets: one, or two.")
app.add_typer(secrets, name="secrets")


@command(app, "listen")
def listen(
    to: Annotated[Path, typer.Option("--to", help="The directory the events go into.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 8400,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    secrets_file: Annotated[
        Path | None, typer.Option(help="A webhook secret a line; read anew at every event.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=1, help="How old an event may be, seconds.")
    ] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """Take webhooks: verify, store each request's event once, then answer; a line per event.

    The secrets are the file's or, separated by spaces, those in OUTBOX_WEBHOOK_SECRETS. It speaks
    plain HTTP: let a reverse proxy or a tunnel bring the TLS.
    """
    from baseten_webhooks.receiver.application import Receiver  # noqa: PLC0415
    from baseten_webhooks.receiver.inbox import Inbox  # noqa: PLC0415

    def show(delivery: "ReceivedDelivery") -> None:
        say(json.dumps(_document(delivery)) if as_json else _line(delivery))

    def ready(base_url: str) -> None:
        say(f"Listening on {base_url}; events go to {printable(str(to))}", err=True)

    if not math.isfinite(tolerance):
        raise ConfigurationError("--tolerance", "must be a finite number of seconds")
    try:
        receiver = Receiver(
            inbox=Inbox.open(to),
            secrets=_secrets(secrets_file),
            on_delivery=show,
            tolerance_seconds=tolerance,
        )
        receiver.listen(host=host, port=port, on_ready=ready)
    except OSError as error:
        raise ConfigurationError("webhook listen", str(error)) from error


def _secrets(path: Path | None) -> Callable[[], list[str]]:
    """Raises ConfigurationError where there is none yet, or one that cannot be, and OSError."""
    from baseten_webhooks.errors import NoSecretError  # noqa: PLC0415
    from baseten_webhooks.verifying import check_secrets  # noqa: PLC0415

    def read() -> list[str]:
        # Nothing else is stripped: `verify` says of a secret that it has white space.
        if path:
            return [line for line in path.read_text("utf-8-sig").split("\n") if line]
        text = os.environ.get("OUTBOX_WEBHOOK_SECRETS", "")
        return text.split(" ") if text.strip() else []

    place = str(path or "OUTBOX_WEBHOOK_SECRETS")
    secrets = read()
    if not secrets:
        remedy = "pass --secrets-file or set OUTBOX_WEBHOOK_SECRETS"
        raise ConfigurationError("webhook secrets", f"there is none; {remedy}")
    try:
        check_secrets(secrets)
    except NoSecretError as error:
        raise ConfigurationError(place, str(error)) from error
    return read


def _document(delivery: "ReceivedDelivery") -> dict[str, Any]:
    event = delivery.event
    return {
        "at": timestamp(delivery.at),
        "outcome": delivery.outcome,
        "status": delivery.status,
        "bytes": delivery.size_bytes,
        "request_id": event and event.request_id,
        "errors": [error.code for error in event.errors] if event else [],
        "problem": delivery.problem,
    }


def _line(delivery: "ReceivedDelivery") -> str:
    words = [timestamp(delivery.at), delivery.outcome]
    if delivery.event:
        codes = ", ".join(error.code for error in delivery.event.errors)
        words += [delivery.event.request_id, codes or "succeeded", f"{delivery.size_bytes} bytes"]
    if delivery.problem:
        words += [str(delivery.status), delivery.problem]
    return "  ".join(printable(word) for word in words)


State = Annotated[Path, typer.Option(help="Where `outbox serve` keeps its queue.")]


@command(secrets, "add")
def add(state: State = Path(".outbox"), as_json: Json = False) -> None:
    """Make a secret and print it, this once; the former signs beside it for 24 hours."""
    with _secret_file(state) as kept:
        added = kept.add()
    answer(as_json, _secret_document(added) | {"secret": added.secret}, [added.secret])


@command(secrets, "list")
def list_secrets(state: State = Path(".outbox"), as_json: Json = False) -> None:
    """What webhooks are signed with now, the newest first; never the secrets themselves."""
    with _secret_file(state) as kept:
        active = kept.active()
    lines = [_secret_line(one) for one in active] or ["no secret: webhooks are not signed"]
    answer(as_json, {"secrets": [_secret_document(one) for one in active]}, lines)


@command(secrets, "expire")
def expire(
    secret_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    state: State = Path(".outbox"),
    as_json: Json = False,
) -> None:
    """End a secret at once."""
    with _secret_file(state) as kept:
        expired = kept.expire(secret_id)
    answer(as_json, {"expired": expired.id}, [f"{expired.id} signs nothing any more"])


@contextlib.contextmanager
def _secret_file(state: Path) -> "Iterator[WebhookSecrets]":
    from local_baseten.errors import LocalBasetenError  # noqa: PLC0415
    from local_baseten.state_directory import StateDirectory  # noqa: PLC0415
    from local_baseten.webhooks.secret_file import WebhookSecrets  # noqa: PLC0415

    try:
        yield WebhookSecrets(StateDirectory(state).webhook_secrets)
    except LocalBasetenError as error:
        raise InvalidInputError("webhook secrets", str(error)) from error
    except OSError as error:
        raise ConfigurationError("--state", str(error)) from error


def _secret_document(secret: "WebhookSecret") -> dict[str, Any]:
    return {
        "id": secret.id,
        "created_at": timestamp(secret.created_at),
        "expires_at": secret.expires_at and timestamp(secret.expires_at),
    }


def _secret_line(secret: "WebhookSecret") -> str:
    end = "no end" if secret.expires_at is None else f"until {timestamp(secret.expires_at)}"
    return f"{secret.id}  since {timestamp(secret.created_at)}  {end}"
