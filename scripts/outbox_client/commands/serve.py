"""The stand-in for Baseten: serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from truss_outbox.contract.errors import ConfigurationError

from ..settings import read_api_key
from . import exit_codes

app = typer.Typer()


@app.command("serve", epilog=exit_codes.EXPLANATION)
def serve(  # noqa: PLR0913, PLR0917  # an option each
    source: Annotated[
        Path,
        typer.Argument(
            metavar="[TRUSS_DIR|CHAIN.py]", help="A Truss, or the file with a Chain's entrypoint."
        ),
    ] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    bucket: Annotated[
        Path | None, typer.Option(help="Also run an S3 bucket on this folder.")
    ] = None,
    state: Annotated[Path, typer.Option(help="Where the queue is kept.")] = Path(".outbox"),
    concurrency_target: Annotated[
        int, typer.Option(min=1, help="Requests run at once on each replica.")
    ] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Servers with the model loaded.")] = 1,
    scale_to_zero_after: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="End the servers when idle for so long."),
    ] = None,
    run_limit: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="What the model may take per request.")
    ] = 3_600,
    known_for: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Until an ended request is forgotten.")
    ] = 3_600,
    finish_within: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="At the end, for what still runs.")
    ] = 10,
    webhook_delay: Annotated[
        list[float], typer.Option(min=0, metavar="SECONDS", help="Before a webhook goes again.")
    ] = [2.0],  # noqa: B006  # typer only reads it
    submit_rate: Annotated[
        float, typer.Option(min=1, metavar="N", help="async_predict calls taken a second.")
    ] = 200,
    status_rate: Annotated[
        float, typer.Option(min=1, metavar="N", help="Status calls answered a second; cancels too.")
    ] = 20,
    max_waiting: Annotated[
        int, typer.Option(min=1, metavar="N", help="Requests queued and running at once.")
    ] = 5_000,
    max_body: Annotated[
        int, typer.Option(min=1, metavar="BYTES", help="What async_predict takes.")
    ] = 262_144,
    fault: Annotated[
        list[str],
        typer.Option(
            metavar="KIND=PROBABILITY",
            help="Make a fault happen; local_baseten's README lists them.",
        ),
    ] = [],  # noqa: B006  # typer only reads it
    fault_seed: Annotated[
        int | None, typer.Option(metavar="N", help="Repeat the same faults.")
    ] = None,
    slow_by: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="What model_slow adds.")
    ] = 5,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key callers must send.")
    ] = None,
) -> None:
    """Run a stand-in for Baseten on this machine, in front of the real Truss server."""
    from local_baseten.errors import LocalBasetenError  # noqa: PLC0415
    from local_baseten.serve import serve as serve_locally  # noqa: PLC0415
    from local_baseten.settings import ServiceSettings  # noqa: PLC0415

    try:
        serve_locally(
            source,
            port=port,
            state_directory=state,
            bucket_directory=bucket,
            api_key=read_api_key(api_key_file, os.environ),
            settings=ServiceSettings(
                concurrency_target=concurrency_target,
                replicas=replicas,
                scale_to_zero_seconds=scale_to_zero_after,
                run_seconds=run_limit,
                known_seconds=known_for,
                finish_seconds=finish_within,
                webhook_delays_seconds=tuple(webhook_delay),
                submits_per_second=submit_rate,
                status_per_second=status_rate,
                max_waiting=max_waiting,
                max_body_bytes=max_body,
                faults=dict(map(_probability, fault)),
                fault_seed=fault_seed,
                slow_seconds=slow_by,
            ),
        )
    except (LocalBasetenError, OSError) as error:
        raise ConfigurationError("serve", str(error)) from error


def _probability(fault: str) -> tuple[str, float]:
    name, _, probability = fault.partition("=")
    try:
        return name, float(probability)
    except ValueError:
        raise ConfigurationError("fault", "must be KIND=PROBABILITY, the latter 0 to 1") from None
