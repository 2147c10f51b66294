"""One attempt at a webhook, and how often there is another one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from ..settings import ServiceSettings

# As the service: a receiver that answers 4xx has decided.
_RETRYABLE = frozenset({500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryPolicy:
    """A delay before each repetition, and how long one attempt may take; Baseten's by default."""

    delays_seconds: tuple[float, ...] = ServiceSettings().webhook_delays_seconds
    timeout_seconds: float = 10.0

    def delay_seconds(self, failed_attempts: int) -> float | None:
        """The wait before the next attempt; None where no attempt is left."""
        remaining = self.delays_seconds[failed_attempts - 1 :]
        return remaining[0] if remaining else None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookAttempt:
    """How it went. `reason` never quotes the endpoint: there may be a token in it."""

    is_delivered: bool = False
    may_be_retried: bool = False
    reason: str = ""


def webhook_client() -> httpx.AsyncClient:
    """Follows no redirect, takes no proxy and no netrc; SSL_CERT_FILE may name who is trusted."""
    return httpx.AsyncClient(
        verify=httpx.create_ssl_context(trust_env=True),
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113  # the whole attempt has one, in `post`
        # A connection that is kept may be closed by the receiver just as it is used again.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


async def post(
    client: httpx.AsyncClient,
    endpoint: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    timeout_seconds: float,
) -> WebhookAttempt:
    """Never raises for what the receiver does. Of its answer only the status is read."""
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            client.stream("POST", endpoint, content=body, headers=headers) as answer,
        ):
            return _judge(answer.status_code)
    except TimeoutError:
        return WebhookAttempt(may_be_retried=True, reason=f"no answer in {timeout_seconds:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        return WebhookAttempt(may_be_retried=True, reason=type(error).__name__)


def _judge(status: int) -> WebhookAttempt:
    return WebhookAttempt(
        is_delivered=200 <= status < 300,
        may_be_retried=status in _RETRYABLE,
        reason=f"the receiver answered {status}",
    )
