"""Everything that must be right for a job to go through, looked at in one go."""

from collections.abc import Iterator

from truss_outbox.contract.errors import ConfigurationError, OutboxError

from .. import opening
from ..clock import SYSTEM_CLOCK, Clock
from ..settings import Settings
from .bucket_checks import check_clock, check_inputs, check_listing, check_reading
from .checks import Check, wrong
from .deployment_checks import check_config, check_deployed, check_service


def examine(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> Iterator[Check]:
    """Check after check, as they come; what is wrong is a finding, not an error."""
    yield check_config(settings)
    yield from _service(settings)
    if settings.root:
        yield from _bucket(settings, clock)


def _service(settings: Settings) -> Iterator[Check]:
    try:
        with opening.service(settings) as api:
            yield from check_service(api)
    except ConfigurationError as error:
        yield wrong("model", error)


def _bucket(settings: Settings, clock: Clock) -> Iterator[Check]:
    try:
        yield check_clock(
            settings.require_root(),
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            clock=clock,
        )
        bucket = opening.bucket(settings)
        listing, seen = check_listing(bucket)
        yield listing
        yield check_reading(bucket, seen)
        yield from check_inputs(bucket)
        yield check_deployed(settings, bucket, seen)
    except OutboxError as error:
        yield wrong("bucket", error)
