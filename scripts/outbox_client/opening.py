"""From settings to what the functions of the library take.

What needs more than the bucket is imported where it is opened: a fetch from the bucket alone would
take a tenth longer to start.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from truss_outbox.contract.root import Root

from .bucket.bucket import Bucket
from .bucket.foreign import ForeignObjects
from .bucket.naming import Naming
from .bucket.open_bucket import open_bucket, route_to
from .journal.belonging import JobPlace, endpoint_identity, find_journal
from .settings import ClientSettings

if TYPE_CHECKING:
    from .deleting.deletion import Deletion
    from .journal.journal import Journal
    from .service.api import Deployment, ModelApi
    from .sources.items import Item


def naming(settings: ClientSettings) -> Naming:
    """The keys that requests of this deployment get."""
    return Naming(
        template=settings.template,
        model=settings.model_name,
        environment=settings.environment,
        metadata_field=settings.metadata_field,
    )


def result_naming(settings: ClientSettings) -> Naming:
    """What finding a job's results needs: the key template alone."""
    return Naming(template=settings.template)


OnWait = Callable[[float], None]
"""Told, before each pause, at how many seconds after its beginning a call is made again."""


def _silent(_: float) -> None:
    pass


def bucket(
    settings: ClientSettings,
    foreign: ForeignObjects | None = None,
    *,
    on_wait: OnWait = _silent,
    timeout_seconds: float | None = None,
) -> Bucket:
    """`foreign` takes what is not Outbox's. Raises ConfigurationError. Nothing is sent yet."""
    opened = open_bucket(settings.require_root(), foreign=foreign, **settings.connection)
    return opened.waiting(
        timeout_seconds=timeout_seconds, on_wait=on_wait, workers=settings.workers
    )


_ENDPOINT_VARIABLES = (
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("API_ENDPOINT_OVERRIDE", "STORAGE_EMULATOR_HOST"),
)


def endpoint(settings: ClientSettings) -> str:
    """Which endpoint the bucket is at, as journals tell buckets of one name apart.

    Raises ConfigurationError.
    """
    root, url = settings.require_root(), settings.endpoint_url
    # The SDK takes 0.2 seconds to say: it is asked where something may name one.
    if not url and _may_name_an_endpoint(os.environ):
        route = route_to(root, **settings.connection)
        url = route.url.removesuffix(f"/{Root.parse(root).bucket}") if route else None
    return endpoint_identity(root, url, settings.region)


def _may_name_an_endpoint(environ: Mapping[str, str]) -> bool:
    profiles = Path(environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    try:
        text = profiles.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return "endpoint_url" in text or any(environ.get(name) for name in _ENDPOINT_VARIABLES)


def service(
    settings: ClientSettings, *, on_wait: OnWait = _silent
) -> "AbstractContextManager[ModelApi]":
    """Raises ConfigurationError. Nothing is sent yet."""
    from .service.api import Addressee  # noqa: PLC0415
    from .service.baseten import connected  # noqa: PLC0415  # the SDK: 0.4 seconds

    return connected(
        api_key=settings.api_key,
        model_id=settings.model_id,
        chain_id=settings.chain_id,
        base_url=settings.base_url,
        base_url_setting=settings.base_url_setting,
        addressee=Addressee(
            environment=settings.environment or "production",
            deployment=settings.deployment,
            is_regional=settings.is_regional,
        ),
        on_wait=on_wait,
    )


@contextmanager
def deployment(
    settings: ClientSettings,
    foreign: ForeignObjects | None = None,
    *,
    on_wait: OnWait = _silent,
    in_bucket: Bucket | None = None,
) -> "Iterator[Deployment]":
    """As `service` and, without `in_bucket`, `bucket` of the settings. Raises ConfigurationError.

    Nothing is sent yet.
    """
    from .service.api import Deployment  # noqa: PLC0415

    with service(settings) as api:
        yield Deployment(
            api=api,
            bucket=in_bucket or bucket(settings, foreign, on_wait=on_wait),
            naming=naming(settings),
            model_version=settings.model_version,
        )


def journal(
    settings: ClientSettings, job: str, *, create: bool = False
) -> "AbstractContextManager[Journal]":
    """Raises UnknownJobError where there is none and `create` is false, and JournalError."""
    from .journal.journal import Journal  # noqa: PLC0415

    root = settings.require_root()
    return Journal.opened(
        settings.home, job=job, root=root, endpoint=endpoint(settings), create=create
    )


@contextmanager
def known_job(settings: ClientSettings, job: str, in_bucket: Bucket) -> "Iterator[Journal]":
    """The journal of a job, with all that other machines told of it in the bucket.

    Raises UnknownJobError where neither this machine nor the bucket knows the job, StoreError and
    JournalError.
    """
    from .submissions.senders import Senders, has_parts  # noqa: PLC0415

    is_new = not _is_here(settings, job) and has_parts(in_bucket, job)
    with journal(settings, job, create=is_new) as opened:
        Senders(opened, in_bucket).look()
        yield opened


def open_requests(settings: ClientSettings, job: str) -> int:
    """How many requests of the job may be under way, as far as this machine's journal knows."""
    if not _is_here(settings, job):
        return 0
    with journal(settings, job) as opened:
        return sum(count for state, count in opened.counts().items() if state.is_open)


def forget_deleted(settings: ClientSettings, deletion: "Deletion", in_bucket: Bucket) -> None:
    """What this machine knows of what has been deleted. Raises JournalError."""
    from .indexing.known import forget_known  # noqa: PLC0415

    job, dead = deletion.job, deletion.tombstones
    forget_known(settings.home, job=job, bucket=in_bucket)
    path = find_journal(settings.home, _place(settings, job))
    if path is None or deletion.is_being_sent:
        return
    if deletion.is_whole_job:
        for one in path.parent.glob(f"{path.stem}.*"):
            one.unlink(missing_ok=True)
        return
    with journal(settings, job) as opened:
        opened.forget(
            [
                entry.item
                for entry in opened.entries()
                if entry.key and entry.state.is_final
                if (at := dead.deleted_at(entry.key)) and entry.submitted_at <= at.timestamp()
            ]
        )


def log_file(settings: ClientSettings, job: str) -> Path:
    """Of what is sent detached: beside the job's journal, which is there."""
    path = find_journal(settings.home, _place(settings, job))
    assert path is not None
    return path.with_suffix(".log")


def _is_here(settings: ClientSettings, job: str) -> bool:
    return find_journal(settings.home, _place(settings, job)) is not None


def _place(settings: ClientSettings, job: str) -> JobPlace:
    return JobPlace(job=job, root=settings.require_root(), endpoint=endpoint(settings))


def why_no_result(settings: ClientSettings, job: str) -> str:
    """Of a job without a result in the bucket. Raises StoreError and JournalError."""
    from .following import absence  # noqa: PLC0415

    return absence.why_no_result(
        job,
        bucket=bucket(settings),
        naming=result_naming(settings),
        home=settings.home,
        endpoint=endpoint(settings),
    )


@contextmanager
def known_digests(settings: ClientSettings, job: str) -> Iterator[Callable[[str], str | None]]:
    """The input's digest by key, of a job that this machine has sent or followed."""
    if not _is_here(settings, job):
        yield _unknown
        return
    with known_job(settings, job, bucket(settings)) as opened:
        yield opened.digest_of


def _unknown(key: str) -> str | None:  # noqa: ARG001
    return None


def stored_files(
    settings: ClientSettings,
    address: str,
    *,
    field: str,
    foreign: ForeignObjects | None = None,
    on_wait: OnWait = _silent,
) -> "Iterator[Item]":
    """What `sources.stored` finds at an address that the deployed model may read."""
    from .sources.files import stored_items  # noqa: PLC0415

    def open_root(root: str) -> Bucket:
        opened = open_bucket(root, foreign=foreign, **settings.connection)
        return opened.waiting(on_wait=on_wait)

    return stored_items(
        address,
        field=field,
        root=settings.require_root(),
        input_roots=settings.input_roots,
        open_root=open_root,
    )
