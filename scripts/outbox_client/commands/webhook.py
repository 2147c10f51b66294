"""Webhooks: a receiver for them."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truss_outbox.contract.errors import ConfigurationError

from ..text import printable
from . import exit_codes, webhook_secrets
from .answering import timestamp

if TYPE_CHECKING:
    from baseten_webhooks.receiver.application import ReceivedDelivery

app = typer.Typer(no_args_is_help=True, help="Receive webhooks; sign the stand-in's.")
app.add_typer(webhook_secrets.app, name="secrets")


@app.command("listen", epilog=exit_codes.EXPLANATION)
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
    from baseten_webhooks.receiver.listen import listen as listen_on  # noqa: PLC0415

    def say(delivery: "ReceivedDelivery") -> None:
        # The event is stored, and to be acknowledged, whether anybody reads the lines or not.
        with contextlib.suppress(BrokenPipeError):
            typer.echo(json.dumps(_document(delivery)) if as_json else _line(delivery))

    def ready(base_url: str) -> None:
        typer.echo(f"Listening on {base_url}; events go to {to}", err=True)

    try:
        receiver = Receiver(
            inbox=Inbox.open(to),
            secrets=_secrets(secrets_file),
            on_delivery=say,
            tolerance_seconds=tolerance,
        )
        listen_on(receiver, host=host, port=port, on_ready=ready)
    except OSError as error:
        raise ConfigurationError("webhook listen", str(error)) from error


def _secrets(path: Path | None) -> Callable[[], list[str]]:
    """Raises ConfigurationError where there is none yet, and OSError."""

    def read() -> list[str]:
        text = path.read_text() if path else os.environ.get("OUTBOX_WEBHOOK_SECRETS", "")
        return text.split()

    if not read():
        raise ConfigurationError(
            "webhook secrets", "there is none; pass --secrets-file or set OUTBOX_WEBHOOK_SECRETS"
        )
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
