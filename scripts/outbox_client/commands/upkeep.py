"""Setting up and keeping a bucket: policy, sweep; and presign."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from truss_outbox.contract.root import Root
from truss_outbox.contract.text import printable

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..deleting.delete import delete as delete_job
from ..deleting.deletion import Deletion, Scope
from ..policies import Deployed, Purpose, Workload
from ..policies import policy as policy_for
from ..settings import (
    BucketOverrides,
    RegionOverrides,
    ResultOverrides,
    option,
    read_settings,
)
from ..upkeep.found import Kept, Orphan, Swept, Undeleted, UnfinishedUpload
from ..upkeep.presign import Link, signer
from ..upkeep.presign import presign as links_of
from ..upkeep.sweep import sweep as swept
from ..upkeep.uploads import open_uploads
from . import exit_codes
from .answers.printing import Streamed, answer, json_text, say
from .options import Items, JobName, Json, command, name_and_value, parse_duration
from .progress.display import told_once

app = typer.Typer()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadOptions:
    """Whom a trust policy lets in; what is not named may be any."""

    org: str | None = option(None, "Trust: the organisation on Baseten.")
    team: str | None = option(None, "Trust: the team in it; else any.")
    model: str | None = option(
        None, "Trust: the model; else any.", "--model-id", envvar="OUTBOX_MODEL_ID"
    )
    environment: str | None = option(None, "Trust: the model's environment; else any.")


@dataclass(frozen=True, kw_only=True, slots=True)
class UseOptions:
    """How the bucket is used, beside what config.yaml says."""

    kms_key: str | None = option(
        None, "ARN of the key S3 encrypts with, for s3_kms_key_id.", "--kms-key"
    )
    tags: bool = option(False, "The model sets object tags, as with s3_tags.", "--tags")
    results_days: int | None = option(
        None, "Lifecycle: results go after so many days.", "--results-days", min=1
    )


_AS_CONFIGURED = UseOptions()


@command(app, "policy")
def policy(
    where: RegionOverrides,
    purpose: Annotated[
        Purpose,
        typer.Option(
            "--for", metavar="WHOM", help=f"Whose rights, or which rules: {', '.join(Purpose)}."
        ),
    ],
    trusted: WorkloadOptions,
    principal: Annotated[
        str | None, typer.Option(help="Who gets a GCS role; for trust, the AWS account's id.")
    ] = None,
    use: UseOptions = _AS_CONFIGURED,
    input_root: Annotated[
        list[str] | None,
        typer.Option(help="Beside input_roots; the model reads there. Repeatable."),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="For the bucket's events: sqs://account/name?region=… or pubsub://project/name.",
        ),
    ] = None,
) -> None:
    """Print the least that a side needs, as JSON in the form of the bucket's cloud."""
    settings = read_settings(where)
    root = Root.parse(settings.require_root())
    further = [Root.parse(place, setting="input_root") for place in input_root or ()]
    deployed = Deployed(
        kms_key=use.kms_key or settings.kms_key,
        tags=use.tags or settings.sets_tags,
        input_roots=tuple(dict.fromkeys((*map(Root.parse, settings.input_roots), *further))),
        region=settings.region,
        results_days=use.results_days,
    )
    document = policy_for(
        purpose,
        root,
        workload=Workload(**asdict(trusted)),
        principal=principal,
        deployed=deployed,
        queue=queue,
    )
    say(json_text(document))
    if root.scheme == "gs" and purpose in {Purpose.WRITER, Purpose.CLIENT}:
        for place in deployed.input_roots:
            if place.bucket != root.bucket:
                say(
                    f"{place} is in a bucket of its own: outbox policy --for inputs --root {place}",
                    err=True,
                )


@command(app, "sweep")
def sweep(
    where: BucketOverrides,
    foreign: ForeignObjects,
    older_than: Annotated[str, typer.Option(metavar="TIME", help="90m, 24h, 7d.")] = "24h",
    delete: Annotated[bool, typer.Option("--delete", help="Else it only shows them.")] = False,
    as_json: Json = False,
) -> None:
    """Find artifacts that no manifest names, unfinished uploads, and what trials left behind."""
    grace = parse_duration(older_than, option="--older-than")
    settings, found, is_whole = read_settings(where), list[Swept](), False
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    uploads = open_uploads(bucket.root, **settings.connection)
    try:
        for one in swept(bucket, uploads, grace=grace, delete=delete):
            found.append(one)
            if not as_json:
                say(sweep_line(one))
        is_whole = True
    finally:
        # Also where an error ends it: what was deleted is always told.
        document = sweep_document(found, deleted=delete) | {"complete": is_whole}
        lines = [sweep_sum(found, deleted=delete)] if is_whole or found else []
        if as_json or lines:
            answer(as_json, document, lines, foreign=foreign)
    if any(isinstance(one, Undeleted) for one in found):
        raise typer.Exit(exit_codes.SOME_FAILED)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeleteOptions:
    """What of a job goes; all of it where nothing is said."""

    item: list[str] = option([], "Only this item. Repeatable.", metavar="NAME")
    label: list[str] = option([], "Only items with this label. Repeatable.", metavar="NAME=VALUE")
    older_than: str | None = option(
        None, "Only what was stored before so long: 12h, 30d.", metavar="TIME"
    )
    delete: bool = option(False, "Else it only counts.")

    def selection(self) -> Scope:
        """Raises InvalidInputError, which names the option."""
        older_than = self.older_than
        return Scope(
            items=frozenset(self.item),
            labels=dict(name_and_value("--label", text) for text in self.label),
            older_than=(older_than and parse_duration(older_than, option="--older-than")) or None,
        )


@command(app, "delete")
def delete(
    where: ResultOverrides,
    job: JobName,
    foreign: ForeignObjects,
    what: DeleteOptions,
    as_json: Json = False,
) -> None:
    """Delete a job's results, or some of them, and all that belongs to them."""
    settings, selection = read_settings(where), what.selection()
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    deletion = Deletion(job=job, is_whole_job=selection.is_whole_job, is_deleted=what.delete)
    if under_way := opening.open_requests(settings, job):
        deletion.notes.append(
            f"{under_way:,} request(s) may be under way, and what they store from now on stays:"
            f" `outbox cancel {job}` first, or delete again"
        )
    is_whole = False
    try:
        naming = opening.result_naming(settings)
        delete_job(
            job,
            bucket=bucket,
            naming=naming,
            selection=selection,
            is_dry=not what.delete,
            deletion=deletion,
        )
        if what.delete and not deletion.undeleted:
            opening.forget_deleted(settings, deletion, bucket)
        is_whole = True
    finally:
        # Also where an error ends it: what was deleted is always told.
        if is_whole or not deletion.is_nothing:
            lines = deletion_lines(deletion, is_complete=is_whole)
            document = deletion_document(deletion) | {"complete": is_whole}
            answer(as_json, document, lines, foreign=foreign)
    if deletion.undeleted:
        raise typer.Exit(exit_codes.SOME_FAILED)


@command(app, "presign")
def presign(
    where: ResultOverrides,
    job: JobName,
    foreign: ForeignObjects,
    items: Items = None,
    expires: Annotated[str, typer.Option(metavar="TIME", help="90m, 24h; at most 7d.")] = "1h",
    as_json: Json = False,
) -> None:
    """Print links to the artifacts of results; a link needs no credentials."""
    life, now = parse_duration(expires, option="--expires"), datetime.now(UTC)
    settings = read_settings(where)
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    naming = opening.result_naming(settings)
    sign = signer(bucket, life=life, now=now, **settings.connection)
    coming = links_of(job, items or (), bucket=bucket, naming=naming, sign=sign)
    first = next(coming, None)
    links = itertools.chain([first] if first else [], coming)
    # One of the two: the links are there once.
    document = links_document(job, links, expires_at=now + life) if as_json else {}
    reason = "" if first else opening.why_no_result(settings, job)
    failed = first is None
    answer(as_json, document, links_lines(links), failed=failed, reason=reason, foreign=foreign)


def sweep_line(found: Swept) -> str:
    match found:
        case Orphan():
            gone = "deleted" if found.deleted else "orphaned"
            objects = f"{len(found.keys)} object(s), {found.size} bytes"
            return f"{gone}: {printable(found.prefix)}: {objects}"
        case Kept():
            return f"kept: {printable(found.prefix)}: {printable(found.why)}"
        case Undeleted():
            return f"not deleted: {printable(found.key)}: {printable(found.why)}"
        case UnfinishedUpload():
            gone = "aborted" if found.aborted else "unfinished"
            return f"{gone}: {printable(found.key)}: upload of {found.initiated_at:%Y-%m-%d %H:%M}"


def sweep_sum(found: Sequence[Swept], *, deleted: bool) -> str:
    orphans = sum(len(one.keys) for one in found if isinstance(one, Orphan))
    size = sum(one.size for one in found if isinstance(one, Orphan))
    uploads = sum(isinstance(one, UnfinishedUpload) for one in found)
    what = f"{orphans} object(s) of {size} bytes, {uploads} unfinished upload(s)"
    undeleted = sum(isinstance(one, Undeleted) for one in found)
    if not orphans and not uploads and not undeleted:
        return "nothing to sweep"
    left = f", {undeleted} could not be deleted" if undeleted else ""
    return f"{what}: gone{left}" if deleted else f"{what}; --delete makes them go"


def sweep_document(found: Sequence[Swept], *, deleted: bool) -> dict[str, Any]:
    orphans = [one for one in found if isinstance(one, Orphan)]
    uploads = [one for one in found if isinstance(one, UnfinishedUpload)]
    return {
        "deleted": deleted,
        "orphans": [{"prefix": o.prefix, "keys": list(o.keys), "size": o.size} for o in orphans],
        "uploads": [{"key": u.key, "initiated_at": u.initiated_at.isoformat()} for u in uploads],
        "kept": [asdict(one) for one in found if isinstance(one, Kept)],
        "undeleted": [asdict(one) for one in found if isinstance(one, Undeleted)],
    }


_COUNTED = ("results", "artifacts", "failures", "index_rows", "submissions", "inputs", "accounts")


def deletion_lines(deletion: Deletion, *, is_complete: bool) -> Iterator[str]:
    """A line for each kind of objects there is, and what is left."""
    for name in _COUNTED:
        if count := getattr(deletion, name):
            size = getattr(deletion, f"{name}_bytes", 0)
            what = f"{name.replace('_', ' ')}: {count:,}"
            yield f"{what} ({size:,} bytes)" if size else what
    for one in deletion.undeleted:
        yield f"not deleted: {printable(one.key)}: {printable(one.why)}"
    for note in deletion.notes:
        yield printable(note)
    if not is_complete:
        yield "not all has gone: the same command goes on"
    elif deletion.is_nothing:
        yield f"nothing of job {printable(deletion.job)} to delete"
    elif not deletion.is_deleted:
        yield "--delete makes them go; nothing brings them back"


def deletion_document(deletion: Deletion) -> dict[str, Any]:
    sizes = ("artifacts_bytes", "inputs_bytes")
    return {
        "job": deletion.job,
        "deleted": deletion.is_deleted,
        **{name: getattr(deletion, name) for name in (*_COUNTED, *sizes)},
        "undeleted": [asdict(one) for one in deletion.undeleted],
        "notes": deletion.notes,
    }


def links_lines(links: Iterable[Link]) -> Iterator[str]:
    return (f"{printable(link.item)}\t{link.name}\t{link.url}" for link in links)


def links_document(job: str, links: Iterable[Link], *, expires_at: datetime) -> dict[str, Any]:
    return {
        "job": job,
        "expires_at": expires_at.isoformat(timespec="seconds"),
        "links": Streamed(map(asdict, links)),
    }
