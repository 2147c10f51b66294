"""The command doctor: what is wrong with a setup, and with a deployment."""

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import typer

from truss_outbox.contract.errors import ConfigurationError, OutboxError
from truss_outbox.contract.text import printable

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..clock import SYSTEM_CLOCK
from ..settings import ClientSettings, ResultOverrides, ServiceOverrides, option, read_settings
from ..upkeep.canaries import Trial
from ..upkeep.canary_checks import check_by_canaries
from ..upkeep.checks import (
    Check,
    Finding,
    bucket_time,
    check_clock,
    check_config,
    check_deployed,
    check_inputs,
    check_listing,
    check_reading,
    check_service,
    ok,
    unknown,
    wrong,
)
from . import exit_codes
from .answers.printing import answer, say
from .options import Json, command

app = typer.Typer()

_NEEDED_TO_SEND = frozenset({"config", "API key", "model", "bucket", "list manifests/", "read"})

# Other commands outlast a bad minute; this one is asked what is wrong.
_BUCKET_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SendOptions:
    """Whether a deployment is tried out, and how long."""

    send: bool = option(False, "Send three small requests, which need no inference.")
    timeout: float = option(300.0, "With --send: seconds to wait for their results.", min=1)


@command(app, "doctor")
def doctor(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    sending: SendOptions,
    foreign: ForeignObjects,
    as_json: Json = False,
) -> None:
    """Look at key, model, bucket, clock and settings; one line each, with the remedy in it."""
    checks, sent = list[Check](), dict[str, Any]()
    for check in _all_checks(bucket, service, sending, foreign, sent):
        checks.append(check)
        if not as_json:
            say(check_line(check))
    if as_json:
        document = {"checks": [asdict(check) for check in checks]}
        document_sent = {"sent": sent} if sending.send else {}
        answer(as_json, document | document_sent, (), foreign=foreign)
    if _wrong_names(checks):
        raise typer.Exit(exit_codes.SOME_FAILED)


def _all_checks(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    sending: SendOptions,
    foreign: ForeignObjects,
    sent: dict[str, Any],
) -> Iterator[Check]:
    checks = []
    for check in _checks(bucket, service, foreign):
        checks.append(check)
        yield check
    if not sending.send:
        return
    if _wrong_names(checks) & _NEEDED_TO_SEND:
        yield unknown("canaries", "nothing was sent: first put right what is wrong above")
    else:
        settings = read_settings(bucket, service)
        yield from _going_on("canaries", _canary_checks(settings, sending.timeout, sent))


def _checks(
    bucket: ResultOverrides, service: ServiceOverrides, foreign: ForeignObjects
) -> Iterator[Check]:
    """Check after check, as they come; what is wrong is a finding, not an error."""
    try:
        settings = read_settings(bucket, service)
    except ConfigurationError as error:
        yield wrong("config", error)
        return
    naming, model_version = opening.naming(settings), settings.model_version
    yield check_config(settings.root, naming=naming, model_version=model_version)
    yield from _going_on("model", _service_checks(settings))
    if settings.root:
        yield from _going_on("clock", _clock_checks(settings))
        yield from _going_on("bucket", _bucket_checks(settings, foreign))


def _going_on(name: str, checks: Iterator[Check]) -> Iterator[Check]:
    """The checks; what ends them is a finding too, so that others follow."""
    try:
        yield from checks
    except OutboxError as error:
        yield wrong(name, error)
    except Exception as error:
        if os.environ.get("OUTBOX_DEBUG"):
            raise
        yield wrong(name, f"unexpected {type(error).__name__}; OUTBOX_DEBUG=1 shows where")


def _service_checks(settings: ClientSettings) -> Iterator[Check]:
    with opening.service(settings) as api:
        yield from check_service(api)


def _clock_checks(settings: ClientSettings) -> Iterator[Check]:
    yield check_clock(settings.require_root(), clock=SYSTEM_CLOCK, **settings.connection)


def _bucket_checks(settings: ClientSettings, foreign: ForeignObjects) -> Iterator[Check]:
    naming, model_version = opening.naming(settings), settings.model_version
    bucket = opening.bucket(settings, foreign, timeout_seconds=_BUCKET_SECONDS)
    listing, seen = check_listing(bucket)
    yield listing
    yield check_reading(bucket, seen)
    yield from check_inputs(bucket)
    yield from check_deployed(bucket, seen, naming=naming, model_version=model_version)


def _canary_checks(
    settings: ClientSettings, timeout_seconds: float, sent: dict[str, Any]
) -> Iterator[Check]:
    """`sent` is given what a bug report needs to say."""
    if settings.chain_id is not None:
        yield unknown("canaries", "a Chain takes arguments of its own: send one of its requests")
        return
    with opening.service(settings) as api:
        trial = Trial(
            api=api,
            bucket=opening.bucket(settings),
            naming=opening.naming(settings),
            ask_time=partial(bucket_time, settings.require_root(), **settings.connection),
            timeout_seconds=timeout_seconds,
        )
        yield ok("canaries", f"on their way; waiting for up to {timeout_seconds:.0f} s")
        try:
            yield from check_by_canaries(trial, model_version=settings.model_version)
        finally:
            sent |= sent_document(settings, trial)


def _wrong_names(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if check.finding is Finding.WRONG}


def check_line(check: Check) -> str:
    return f"{check.finding.value:<8} {check.name:<18} {printable(check.said)}"


def sent_document(settings: ClientSettings, trial: Trial) -> Mapping[str, Any]:
    """For a bug report: of addresses the hosts alone, and nothing secret."""
    return {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "outbox": version("truss-outbox"),
        "python": platform.python_version(),
        "service": _host(settings.base_url) or f"model {settings.model_id}",
        "environment": settings.environment,
        "root": trial.bucket.root,
        "bucket_host": _host(settings.endpoint_url),
        "canaries": [canary.document() for canary in trial.canaries],
    }


def _host(url: str | None) -> str | None:
    return urlsplit(url).hostname if url else None
