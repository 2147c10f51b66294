"""The companion's commands for whoever runs the bucket: doctor, policy, sweep, presign."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root

from ..policies import Purpose, Workload
from ..policies import policy as policy_for
from ..settings import Overrides, read_settings
from ..upkeep import sweep as upkeep
from ..upkeep.checks import Check, Finding, wrong
from ..upkeep.doctor import examine
from . import exit_codes
from .answering import Items, JobName, Json, answer, finish
from .options import expanded, parse_duration
from .rendering import answers as rendering
from .rendering import upkeep as upkeep_answers

app = typer.Typer()


@app.command("doctor", epilog=exit_codes.EXPLANATION)
@expanded
def doctor(connection: Overrides, as_json: Json = False) -> None:
    """Look at key, model, bucket, clock and settings; one line each, with the remedy in it."""
    checks: list[Check] = []
    try:
        for check in examine(read_settings(connection, os.environ)):
            checks.append(check)
            if not as_json:
                typer.echo(upkeep_answers.check_line(check))
    except ConfigurationError as error:
        checks.append(wrong("config", error))
        if not as_json:
            typer.echo(upkeep_answers.check_line(checks[-1]))
    if as_json:
        typer.echo(rendering.as_json(upkeep_answers.checks_document(checks)))
    finish(failed=any(check.finding is Finding.WRONG for check in checks))


@app.command("policy", epilog=exit_codes.EXPLANATION)
@expanded
def policy(
    connection: Overrides,
    purpose: Annotated[Purpose, typer.Option("--for", help="Whose rights, or which rules.")],
    principal: Annotated[
        str | None, typer.Option(help="Who gets a GCS role; for trust, the AWS account's id.")
    ] = None,
    org: Annotated[str | None, typer.Option(help="Trust: the organisation on Baseten.")] = None,
    team: Annotated[str | None, typer.Option(help="Trust: the team in it; else any.")] = None,
    kms_key: Annotated[str | None, typer.Option(help="ARN of the key S3 encrypts with.")] = None,
    tags: Annotated[bool, typer.Option("--tags", help="The model sets object tags.")] = False,
) -> None:
    """Print the least that a side needs, as JSON in the form of the bucket's cloud.

    For trust, --model-id and --environment narrow it further.
    """
    settings = read_settings(connection, os.environ)
    document = policy_for(
        purpose,
        Root.parse(settings.require_root()),
        workload=Workload(
            org=org, team=team, model=settings.model_id, environment=connection.environment
        ),
        principal=principal,
        kms_key=kms_key,
        tags=tags,
    )
    typer.echo(rendering.as_json(document))


@app.command("sweep", epilog=exit_codes.EXPLANATION)
@expanded
def sweep(
    connection: Overrides,
    older_than: Annotated[str, typer.Option(metavar="TIME", help="90m, 24h, 7d.")] = "24h",
    delete: Annotated[bool, typer.Option("--delete", help="Else it only shows them.")] = False,
    as_json: Json = False,
) -> None:
    """Find artifacts that no manifest names, unfinished uploads, and what trials left behind."""
    grace = parse_duration(older_than, option="--older-than")
    settings, now, found = read_settings(connection, os.environ), datetime.now(UTC), []
    for one in upkeep.sweep(settings, grace=grace, delete=delete, now=now):
        found.append(one)
        if not as_json:
            typer.echo(upkeep_answers.sweep_line(one))
    document = upkeep_answers.sweep_document(found, deleted=delete)
    answer(as_json, document, [upkeep_answers.sweep_sum(found, deleted=delete)])


@app.command("presign", epilog=exit_codes.EXPLANATION)
@expanded
def presign(
    connection: Overrides,
    job: JobName,
    items: Items = None,
    expires: Annotated[str, typer.Option(metavar="TIME", help="90m, 24h; at most 7d.")] = "1h",
    as_json: Json = False,
) -> None:
    """Print links to the artifacts of results; whoever has a link may read its artifact."""
    life, now = parse_duration(expires, option="--expires"), datetime.now(UTC)
    settings = read_settings(connection, os.environ)
    links = upkeep.presign(settings, job, items or (), life=life, now=now)
    document = upkeep_answers.links_document(job, links, expires_at=now + life)
    answer(as_json, document, upkeep_answers.links_lines(links))
    finish(failed=not links)
