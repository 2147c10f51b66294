"""The secrets that the stand-in signs webhooks with: add, list, expire."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truss_outbox.contract.errors import ConfigurationError, InvalidInputError

from . import exit_codes
from .answering import Json, answer, timestamp

if TYPE_CHECKING:
    from local_baseten.webhooks.secret_file import WebhookSecret, WebhookSecrets

app = typer.Typer(no_args_is_help=True, help="The stand-in's webhook secrets: one, or two.")

State = Annotated[Path, typer.Option(help="Where `outbox serve` keeps its queue.")]


@app.command("add", epilog=exit_codes.EXPLANATION)
def add(state: State = Path(".outbox"), as_json: Json = False) -> None:
    """Make a secret and print it, this once; the former signs beside it for 24 hours."""
    with _secrets(state) as secrets:
        added = secrets.add()
    answer(as_json, _document(added) | {"secret": added.secret}, [added.secret])


@app.command("list", epilog=exit_codes.EXPLANATION)
def list_secrets(state: State = Path(".outbox"), as_json: Json = False) -> None:
    """What webhooks are signed with now, the newest first; never the secrets themselves."""
    with _secrets(state) as secrets:
        active = secrets.active()
    lines = [_line(one) for one in active] or ["no secret: webhooks are not signed"]
    answer(as_json, {"secrets": [_document(one) for one in active]}, lines)


@app.command("expire", epilog=exit_codes.EXPLANATION)
def expire(
    secret_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    state: State = Path(".outbox"),
    as_json: Json = False,
) -> None:
    """End a secret at once."""
    with _secrets(state) as secrets:
        expired = secrets.expire(secret_id)
    answer(as_json, {"expired": expired.id}, [f"{expired.id} signs nothing any more"])


@contextlib.contextmanager
def _secrets(state: Path) -> "Iterator[WebhookSecrets]":
    from local_baseten.errors import LocalBasetenError  # noqa: PLC0415
    from local_baseten.state_directory import StateDirectory  # noqa: PLC0415
    from local_baseten.webhooks.secret_file import WebhookSecrets  # noqa: PLC0415

    try:
        yield WebhookSecrets(StateDirectory(state).webhook_secrets)
    except LocalBasetenError as error:
        raise InvalidInputError("webhook secrets", str(error)) from error
    except OSError as error:
        raise ConfigurationError("--state", str(error)) from error


def _document(secret: "WebhookSecret") -> dict[str, Any]:
    return {
        "id": secret.id,
        "created_at": timestamp(secret.created_at),
        "expires_at": secret.expires_at and timestamp(secret.expires_at),
    }


def _line(secret: "WebhookSecret") -> str:
    end = "no end" if secret.expires_at is None else f"until {timestamp(secret.expires_at)}"
    return f"{secret.id}  since {timestamp(secret.created_at)}  {end}"
