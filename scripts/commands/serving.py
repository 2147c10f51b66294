"""The stand-in for Baseten: serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from model.artifacts.errors import ConfigurationError
from scripts.client import exit_codes
from scripts.client.settings import read_api_key

app = typer.Typer()


@app.command("serve", epilog=exit_codes.EXPLANATION)
def serve(  # noqa: PLR0913, PLR0917  # an option each
    truss_directory: Annotated[Path, typer.Argument(metavar="[TRUSS_DIR]")] = Path(),
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
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key callers must send.")
    ] = None,
) -> None:
    """Run a stand-in for Baseten on this machine, in front of the real Truss server."""
    from scripts.local_baseten.errors import LocalBasetenError  # noqa: PLC0415
    from scripts.local_baseten.service_settings import ServiceSettings  # noqa: PLC0415
    from scripts.local_baseten.serving import serve as serve_locally  # noqa: PLC0415

    try:
        serve_locally(
            truss_directory,
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
            ),
        )
    except (LocalBasetenError, OSError) as error:
        raise ConfigurationError("serve", str(error)) from error
