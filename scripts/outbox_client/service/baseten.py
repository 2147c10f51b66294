"""The official `baseten` SDK behind our Protocol: its errors made ours, faults repeated."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx
from baseten.client import InferenceClient
from baseten.client.inferenceapi import (
    AsyncPredictRequest,
    AsyncRunRemoteInput,
    ErrorResponse,
    PredictInput,
    ResponseError,
    ResponseErrorResponse,
)
from pydantic import BaseModel, ValidationError

from truss_outbox.contract.errors import INTERRUPTIONS, ConfigurationError, OutboxError
from truss_outbox.retrying import (
    LONGEST_WAIT_SECONDS,
    is_transient,
    patiently,
    retry_after_seconds,
)
from truss_outbox.stores.faults import WebPage, is_page
from truss_outbox.stores.network import PROXY_LOGIN, Place, check_url, proxy_of

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import (
    RefusedRequestError,
    ServiceError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnknownRequestError,
)
from ..threads import pause
from .api import Addressee, QueueStatus, RequestStatus, bare_id
from .http_client import http_client
from .limits import Pace

_CALLS_PER_SECOND = 20  # status, cancel and the queue's own
# More than there are senders: a submit must not wait for a status call's connection.
_CONNECTIONS = 96
_BAD_KEY = "the service refuses the API key: set BASETEN_API_KEY to a valid one"

T = TypeVar("T")


class _Queue(BaseModel):
    num_queued_requests: int
    num_in_progress_requests: int


class BasetenApi:
    """The official `baseten` SDK, with its errors made ours and faults repeated."""

    def __init__(
        self,
        client: InferenceClient,
        *,
        place: Place,
        addressee: Addressee,
        is_chain: bool = False,
        on_wait: Callable[[float], None] = lambda _: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`on_wait` as `patiently` tells it, of the calls that are repeated here."""
        self._api = client.api
        self._place = place
        self._form, self._named = _form(addressee)
        self._is_chain = is_chain
        self._secret = client.options.api_key
        self._on_wait = on_wait
        self._calls = Pace(_CALLS_PER_SECOND, clock)

    def submit(self, body: Mapping[str, Any]) -> str:
        name = "async_run_remote" if self._is_chain else "async_predict"
        # A Chain's as the guide has it: a bare body would have no place for priority and the like.
        request = AsyncRunRemoteInput(dict(body)) if self._is_chain else AsyncPredictRequest(**body)
        # Not repeated here: the sender repeats it, and records each attempt in the journal.
        with self._translated():
            return str(self._call(name, request=request).request_id)

    def predict(self, model_input: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._translated():
            answer = self._call("predict", request=PredictInput(dict(model_input)))
            return dict(answer.root)

    def wake(self) -> None:
        def wake() -> None:
            with self._translated():
                self._call("wake")

        self._patiently(wake)

    def status(self, request_id: str) -> RequestStatus:
        with self._calls.turn(), self._translated(request_id):
            answer = self._api.get_async_request_status(request_id=bare_id(request_id))
        errors = tuple((error.code, error.message) for error in answer.errors)
        return RequestStatus(status=answer.status, errors=errors)

    def cancel(self, request_id: str) -> bool:
        def cancel() -> bool:
            with self._calls.turn(), self._translated(request_id):
                return self._api.cancel_async_request(request_id=bare_id(request_id)).canceled

        return self._patiently(cancel)

    def queue_status(self) -> QueueStatus:
        with self._calls.turn(), self._translated():
            try:
                answer = self._call("get_async_queue_status")
            except ValidationError as error:
                # The SDK insists on model_id, in whose place a Chain's answer may have chain_id.
                answer = _Queue.model_validate(error.errors()[0]["input"])
        return QueueStatus(
            queued=answer.num_queued_requests, in_progress=answer.num_in_progress_requests
        )

    def _patiently(self, call: Callable[[], T]) -> T:
        return patiently(
            call,
            timeout_seconds=LONGEST_WAIT_SECONDS,
            on=ServiceUnavailableError,
            on_wait=self._on_wait,
            pause=pause,
        )

    def _call(self, name: str, **arguments: Any) -> Any:
        """The SDK has each call once for every kind of addressee."""
        return getattr(self._api, f"{name}{self._form}")(**self._named, **arguments)

    @contextlib.contextmanager
    def _translated(self, request_id: str | None = None) -> Iterator[None]:
        try:
            yield
        except (OutboxError, *INTERRUPTIONS):
            raise
        except (ResponseErrorResponse, ResponseError) as error:
            said = self._safe(_said(error))
            raise _error(error.status_code, said, request_id) from error
        except WebPage as error:
            raise _from_page(error.status, self._place) from error
        except httpx.ProxyError as error:
            status = str(error)[:3]
            refused = int(status) if status.isdecimal() else None
            raise ServiceUnavailableError(self._place.answered_instead(refused)) from error
        except httpx.HTTPError as error:
            raise ServiceUnavailableError(self._place.unanswered(_cause(error))) from error
        except (ValidationError, ValueError) as error:
            raise ServiceError("the service's answer is not that of Baseten's API") from error
        except BaseException as error:
            problem = f"the SDK failed with an unexpected {type(error).__name__}"
            raise ServiceError(problem) from error

    def _safe(self, text: str) -> str:
        # A gateway may send the request's headers back: our key must not get into a log.
        return " ".join(text.replace(self._secret, "…").split())[:300]


def _form(addressee: Addressee) -> tuple[str, dict[str, str]]:
    """How the names of the SDK's calls end, and the argument that names the addressee."""
    if addressee.deployment is not None:
        return "_deployment", {"deployment_id": addressee.deployment}
    if addressee.is_regional:
        return "_regional", {}
    if addressee.environment in {"production", "development"}:
        return f"_{addressee.environment}", {}
    return "", {"env_name": addressee.environment}


@contextlib.contextmanager
def connected(
    *,
    api_key: str | None,
    model_id: str | None,
    chain_id: str | None = None,
    base_url: str | None,
    base_url_setting: str = "--base-url",
    addressee: Addressee,
    on_wait: Callable[[float], None] = lambda _: None,
) -> Iterator[BasetenApi]:
    """The API of the model or Chain; `base_url` goes before their ids, and regional hosts.

    Raises ConfigurationError.
    """
    if not api_key:
        raise ConfigurationError("BASETEN_API_KEY", "is not set; set it, or pass --api-key-file")
    if not base_url and not model_id and not chain_id:
        raise ConfigurationError(
            "model_id",
            "no model is named; pass --model-id or set OUTBOX_MODEL_ID (--chain-id and"
            " OUTBOX_CHAIN_ID name a Chain, --base-url and OUTBOX_BASE_URL a stand-in)",
        )
    url = base_url or InferenceClient.default_base_url(
        model_id=model_id,
        chain_id=chain_id,
        environment=addressee.environment if addressee.is_regional else None,
    )
    setting = base_url_setting if base_url else None
    if setting:
        check_url(setting, url)
    place = Place(
        of="the service",
        url=url,
        setting=setting,
        proxy_url=proxy_of(url),
        depends_on="--model-id (--chain-id)",
    )
    with http_client(
        place,
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=httpx.Timeout(30, connect=5),
        # As many kept as there may be: each new one costs a handshake.
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        event_hooks={"response": [_keep_retry_after, _refuse_page]},
    ) as http:
        client = InferenceClient(
            api_key=api_key,
            base_url_override=url,
            http_client_override=http,
        )
        yield BasetenApi(
            client,
            place=place,
            addressee=addressee,
            is_chain=chain_id is not None,
            on_wait=on_wait,
        )


def _refuse_page(response: httpx.Response) -> None:
    """Raises WebPage: who answers with one, or with a redirect, is not the service."""
    status = response.status_code
    is_foreign = is_page(response.headers.get("content-type")) or response.is_redirect
    if status == PROXY_LOGIN or is_foreign:
        raise WebPage(status)


def _from_page(status: int, place: Place) -> ServiceError:
    kind = ServiceUnavailableError if is_transient(status) else ServiceError
    return kind(place.answered_instead(status), status=status)


def _cause(error: httpx.HTTPError) -> str:
    said = str(error)
    known = {
        "refused": "connection refused",
        "Name or service not known": "its name is not known",
        "nodename nor servname": "its name is not known",
        "CERTIFICATE_VERIFY_FAILED": "its TLS certificate is not trusted: set SSL_CERT_FILE",
    }
    return next((cause for sign, cause in known.items() if sign in said), type(error).__name__)


# Of the thread's latest answer, whose headers the SDK keeps to itself.
_latest = threading.local()


def _keep_retry_after(response: httpx.Response) -> None:
    _latest.retry_after_seconds = retry_after_seconds(response.headers.get("retry-after"))


def _error(status: int, said: str, request_id: str | None) -> ServiceError:
    kind: Callable[..., ServiceError]
    match status:
        case 401 | 403:
            kind, sentence = UnauthorizedError, _BAD_KEY
        case 404 if request_id is not None:
            kind, sentence = UnknownRequestError, f"the service does not know {request_id}"
        case 400 | 413 | 422:
            kind, sentence = RefusedRequestError, "the service refuses the request"
        case 429:
            kind, sentence = ServiceUnavailableError, "the service's rate limit is reached"
        case _ if is_transient(status):
            kind, sentence = ServiceUnavailableError, "the service has a fault"
        case _:
            kind, sentence = ServiceError, "the service refuses: check model and environment"
    return kind(
        f"{sentence} (HTTP {status}){': ' + said if said else ''}",
        status=status,
        retry_after_seconds=_latest.retry_after_seconds,
    )


def _said(error: ResponseErrorResponse | ResponseError) -> str:
    if isinstance(error, ResponseErrorResponse):
        answer = error.error_response
    else:  # the SDK leaves the body of a status it does not expect as it came
        try:
            answer = ErrorResponse.model_validate_json(error.body)
        except ValidationError:
            return ""
    return answer.error or answer.detail or ""
