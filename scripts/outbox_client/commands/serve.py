"""The stand-in for Baseten: serve."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from truss_outbox.contract.errors import ConfigurationError

from ..settings import read_api_key
from .options import command

if TYPE_CHECKING:
    from local_baseten.settings import ServiceSettings

app = typer.Typer()

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

    concurrency_target: int = field(
        default=1, metadata={"min": 1, "help": "Requests run at once on each replica."}
    )
    replicas: int = field(default=1, metadata={"min": 1, "help": "Servers with the model loaded."})
    scale_to_zero_seconds: float | None = field(
        default=None,
        metadata={
            "option": "--scale-to-zero-after",
            "min": 1,
            "metavar": "SECONDS",
            "help": "End the servers when idle for so long.",
        },
    )
    run_seconds: float = field(
        default=3_600,
        metadata={
            "option": "--run-limit",
            "min": 1,
            "metavar": "SECONDS",
            "help": "What the model may take per request.",
        },
    )
    known_seconds: float = field(
        default=3_600,
        metadata={
            "option": "--known-for",
            "min": 1,
            "metavar": "SECONDS",
            "help": "Until an ended request is forgotten.",
        },
    )
    finish_seconds: float = field(
        default=10,
        metadata={
            "option": "--finish-within",
            "min": 0,
            "metavar": "SECONDS",
            "help": "At the end, for what still runs.",
        },
    )
    webhook_delays_seconds: list[float] = field(
        default_factory=lambda: [2.0],
        metadata={
            "option": "--webhook-delay",
            "min": 0,
            "metavar": "SECONDS",
            "help": "Before a webhook goes again. Repeatable.",
        },
    )
    submits_per_second: float = field(
        default=200,
        metadata={
            "option": "--submit-rate",
            "min": 1,
            "metavar": "N",
            "help": "async_predict calls taken a second.",
        },
    )
    status_per_second: float = field(
        default=20,
        metadata={
            "option": "--status-rate",
            "min": 1,
            "metavar": "N",
            "help": "Status calls answered a second; cancels too.",
        },
    )
    max_waiting: int = field(
        default=5_000,
        metadata={"min": 1, "metavar": "N", "help": "Requests queued and running at once."},
    )
    max_body_bytes: int = field(
        default=262_144,
        metadata={
            "option": "--max-body",
            "min": 1,
            "metavar": "BYTES",
            "help": "What async_predict takes.",
        },
    )
    faults: list[str] = field(
        default_factory=list,
        metadata={
            "option": "--fault",
            "metavar": "KIND=PROBABILITY",
            "help": "Make a fault happen; local_baseten's README lists them.",
        },
    )
    fault_seed: int | None = field(
        default=None, metadata={"metavar": "N", "help": "Repeat the same faults."}
    )
    slow_seconds: float = field(
        default=5,
        metadata={
            "option": "--slow-by",
            "min": 0,
            "metavar": "SECONDS",
            "help": "What model_slow adds.",
        },
    )

    def settings(self) -> "ServiceSettings":
        """Raises ConfigurationError, which names the option."""
        from local_baseten.settings import ServiceSettings  # noqa: PLC0415  # an extra of its own

        values = asdict(self) | {
            "webhook_delays_seconds": tuple(self.webhook_delays_seconds),
            "faults": dict(map(_probability, self.faults)),
        }
        return ServiceSettings(**values)


_DEFAULTS = StandInOptions()


@command(app, "serve")
def serve(
    source: Source = Path(),
    port: Port = 0,
    bucket: BucketFolder = None,
    state: State = Path(".outbox"),
    api_key_file: ApiKeyFile = None,
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
        )
    except (LocalBasetenError, OSError) as error:
        raise ConfigurationError("serve", str(error)) from error


def _probability(fault: str) -> tuple[str, float]:
    name, _, probability = fault.partition("=")
    try:
        return name, float(probability)
    except ValueError:
        raise ConfigurationError("fault", "must be KIND=PROBABILITY, the latter 0 to 1") from None
