"""The stand-in for Baseten: serve."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from truss_outbox.contract.errors import ConfigurationError

from ..settings import option, read_api_key
from .options import command

if TYPE_CHECKING:
    from local_baseten.settings import ServiceSettings
    from local_baseten.trusses.preparing import ModelSettings

app = typer.Typer()

_SECONDS: dict[str, Any] = {"metavar": "SECONDS"}

Source = Annotated[
    Path,
    typer.Argument(
        metavar="[TRUSS_DIR|CHAIN.py]", help="A Truss, or the file with a Chain's entrypoint."
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")]
BucketFolder = Annotated[Path | None, typer.Option(help="Also run an S3 bucket on this folder.")]
State = Annotated[Path, typer.Option(help="Where the queue is kept.")]
ApiKeyFile = Annotated[Path | None, typer.Option(help="A file with the key callers must send.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class StandInOptions:
    """The stand-in's ServiceSettings, under their names there."""

    concurrency_target: int = option(1, "Requests run at once on each replica.", min=1)
    replicas: int = option(1, "Servers with the model loaded.", min=1)
    scale_to_zero_seconds: float | None = option(
        None, "End the servers when idle for so long.", "--scale-to-zero-after", min=1, **_SECONDS
    )
    run_seconds: float = option(
        3_600, "What the model may take per request.", "--run-limit", min=1, **_SECONDS
    )
    sync_seconds: float = option(
        1_200, "What a synchronous call may take.", "--sync-limit", min=1, **_SECONDS
    )
    known_seconds: float = option(
        3_600, "Until an ended request is forgotten.", "--known-for", min=1, **_SECONDS
    )
    finish_seconds: float = option(
        10, "At the end, for what still runs.", "--finish-within", min=0, **_SECONDS
    )
    webhook_delays_seconds: list[float] = option(
        [2.0], "Before a webhook goes again. Repeatable.", "--webhook-delay", min=0, **_SECONDS
    )
    submits_per_second: float = option(
        200, "async_predict calls taken a second.", "--submit-rate", min=1, metavar="N"
    )
    status_per_second: float = option(
        20, "Calls of each other kind answered a second.", "--status-rate", min=1, metavar="N"
    )
    max_waiting: int = option(5_000, "Requests queued and running at once.", min=1, metavar="N")
    max_body_bytes: int = option(
        262_144, "What async_predict takes.", "--max-body", min=1, metavar="BYTES"
    )
    faults: list[str] = option(
        [],
        "Make a fault happen; local_baseten's README lists them.",
        "--fault",
        metavar="KIND=PROBABILITY",
    )
    fault_seed: int | None = option(None, "Repeat the same faults.", metavar="N")
    slow_seconds: float = option(5, "What model_slow adds.", "--slow-by", min=0, **_SECONDS)

    def settings(self) -> "ServiceSettings":
        """Raises ConfigurationError, which names the option."""
        from local_baseten.settings import ServiceSettings  # noqa: PLC0415  # an extra of its own

        values = asdict(self) | {
            "webhook_delays_seconds": tuple(self.webhook_delays_seconds),
            "faults": dict(map(_probability, self.faults)),
        }
        return ServiceSettings(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """How the model is run, and shown to its author."""

    install: bool = option(
        True,
        "Make the model a Python environment of its version and requirements; else it runs in"
        " this one.",
        "--install/--no-install",
    )
    reload: bool = option(False, "Start the model again when a file of it changes.")
    secrets: Path | None = option(None, "Their values, as NAME: VALUE lines.", metavar="FILE")
    tracebacks: bool = option(False, "Show the model's tracebacks whole.")

    def settings(self) -> "ModelSettings":
        """Raises a LocalBasetenError for a file that cannot be read."""
        from local_baseten.trusses.config import read_secrets  # noqa: PLC0415  # as below
        from local_baseten.trusses.preparing import ModelSettings  # noqa: PLC0415

        return ModelSettings(
            install=self.install,
            reload=self.reload,
            secrets=read_secrets(self.secrets) if self.secrets else {},
            whole_tracebacks=self.tracebacks,
        )


_DEFAULTS = StandInOptions()
_MODEL_DEFAULTS = ModelOptions()


@command(app, "serve")
def serve(
    source: Source = Path(),
    port: Port = 0,
    bucket: BucketFolder = None,
    state: State = Path(".outbox"),
    api_key_file: ApiKeyFile = None,
    model: ModelOptions = _MODEL_DEFAULTS,
    options: StandInOptions = _DEFAULTS,
) -> None:
    """Run a stand-in for Baseten on this machine, in front of the real Truss server."""
    from local_baseten.errors import LocalBasetenError  # noqa: PLC0415
    from local_baseten.serve import serve as serve_locally  # noqa: PLC0415

    try:
        serve_locally(
            source,
            port=port,
            state_directory=state,
            bucket_directory=bucket,
            api_key=read_api_key(api_key_file, os.environ),
            settings=options.settings(),
            model=model.settings(),
        )
    except (LocalBasetenError, OSError) as error:
        raise ConfigurationError("serve", str(error)) from error


def _probability(fault: str) -> tuple[str, float]:
    name, _, probability = fault.partition("=")
    try:
        return name, float(probability)
    except ValueError:
        raise ConfigurationError("fault", "must be KIND=PROBABILITY, the latter 0 to 1") from None
