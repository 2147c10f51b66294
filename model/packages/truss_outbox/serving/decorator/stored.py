"""`@stored`: a Truss's class keeps its outputs, and nothing of it is rewritten.

Truss is given a `StoredModel` around the class's instance. Requests that ask for it go the way of
`Outbox`; all others go through the author's own steps, as Truss calls them.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import fastapi
from anyio import to_thread
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...contract.errors import ConfigurationError, OutboxError
from ...contract.manifest import Outputs
from ..deadlines import InThread, while_waited_for
from ..failures import http_error
from ..files.reference import may_hold_files
from ..outbox import Outbox
from ..work import Work
from .envelope import enveloped, read_json, with_body
from .steps import Step

T = TypeVar("T")

_GIVEN_BY_TRUSS = frozenset({"config", "data_dir", "environment", "lazy_data_resolver", "secrets"})
_MARK = "_truss_outbox_stored"
_EMPTY = inspect.Parameter.empty
_STEPS = ("preprocess", "predict", "postprocess")


def stored(model: type[T]) -> type[T]:
    """Decorates a Truss's class: a request that carries `metadata` has its output stored.

    All others are answered as without it. The class stays what it is, for its own tests and for
    classes derived from it: only the one that Truss makes, with all that Truss can give, is
    wrapped.
    """
    original = model.__new__
    if hasattr(original, _MARK):
        return model  # It is derived from a class that is decorated.

    def __new__(cls: type[T], *arguments: Any, **given: Any) -> Any:  # noqa: N807
        if given.keys() >= _GIVEN_BY_TRUSS:
            accepted = _accepted(cls, given)
            made = original(cls) if original is object.__new__ else original(cls, **accepted)
            type(made).__init__(made, **accepted)
            return StoredModel(made, given)
        return original(cls) if original is object.__new__ else original(cls, *arguments, **given)

    setattr(__new__, _MARK, True)
    model.__new__ = __new__  # type: ignore[method-assign,assignment]
    # Truss looks here for what to give.
    anything = inspect.Parameter("given", inspect.Parameter.VAR_KEYWORD)
    model.__signature__ = inspect.Signature([anything])  # type: ignore[attr-defined]
    return model


class StoredModel:
    """What Truss sees of a decorated model: its steps wrapped, all else as it is.

    It has a step where the model has one, and `preprocess` besides, so that a request is read
    outside the predict slot. It never has a postprocess that the model has not: beside one, Truss
    streams nothing.
    """

    _outbox: Outbox
    _request_type: type[BaseModel] | None = None
    _may_hold_files = False

    def __init__(self, model: Any, given: Mapping[str, Any]) -> None:
        self._model = model
        self._given = given
        self._adopt()

    # Truss reloads a changed model.py by setting the class of the model that it has.
    @property
    def __class__(self) -> Any:
        return StoredModel

    @__class__.setter
    def __class__(self, changed: type) -> None:
        self._model.__class__ = changed
        self._adopt()
        self._outbox.request_type = self._request_type

    def load(self) -> None:
        self._outbox = Outbox.open(
            self._given["config"],
            self._given["secrets"],
            environment=self._given["environment"],
            request_type=self._request_type,
        )
        if hasattr(self._model, "load"):
            self._model.load()

    async def is_healthy(self) -> bool:
        if not self._outbox.is_healthy():
            return False
        own = getattr(self._model, "is_healthy", None)
        return own is None or await self._outbox.call(own)

    def __getattr__(self, name: str) -> Any:
        """The wrapped steps, and whatever else the model has."""
        if name in _STEPS:
            if name in self._wrapped:
                return self._wrapped[name]
            raise AttributeError(name)
        return getattr(self._model, name)

    def _adopt(self) -> None:
        """Look at the model's steps, and wrap them. Raises ConfigurationError."""
        if hasattr(self._model, "websocket"):
            raise ConfigurationError(
                "websocket", "what a connection sends cannot be stored: take @stored away"
            )
        steps = {
            name: Step(getattr(self._model, name)) for name in _STEPS if hasattr(self._model, name)
        }
        self._steps, self._wrapped = steps, dict[str, Callable[..., Awaitable[Any]]]()
        if "predict" not in steps:
            return
        first = next(iter(steps.values()))
        self._request_type = first.value_annotation if _is_parsed(first.value_annotation) else None
        self._may_hold_files = self._request_type is not None and may_hold_files(self._request_type)
        value = enveloped(self._request_type, self._asks) if self._request_type else _EMPTY
        answer = list(steps.values())[-1].signature.return_annotation
        if not steps["predict"].takes_request_alone:
            self._wrapped["preprocess"] = _signed(self._preprocess, value=value)
            self._wrapped["predict"] = _signed(self._predict, answer=answer)
        elif "preprocess" in steps:
            raise ConfigurationError("predict", "must take what preprocess returns")
        else:
            self._wrapped["predict"] = _signed(self._predict_request, takes_value=False)
        if "postprocess" in steps:
            self._wrapped["postprocess"] = _signed(self._postprocess, answer=answer)

    def _asks(self, model_input: Any) -> bool:
        """Whether a request, as it was sent, is to be stored."""
        settings = self._outbox.settings
        named = isinstance(model_input, Mapping) and settings.metadata_field in model_input
        return named or settings.store == "always"

    async def _preprocess(self, model_input: Any, request: fastapi.Request) -> Any:
        own = self._steps.get("preprocess")
        if self._asks(model_input):
            work = await to_thread.run_sync(self._outbox.begin, model_input, request)
            if own is not None:
                await self._advance(work, own, "preprocess")
            return work
        with _answering():
            # A thread costs a small request more than all else that is done for it here.
            if self._may_hold_files:
                await to_thread.run_sync(self._outbox.take_files, model_input)
            return await own(model_input, request) if own else model_input

    async def _predict(self, value: Any, request: fastapi.Request) -> Any:
        if isinstance(value, Work):
            return await self._predict_work(value)
        with _answering():
            predict = partial(self._steps["predict"], value, request)
            returned = await while_waited_for(request, predict)
        return returned if "postprocess" in self._steps else _plain(returned)

    async def _predict_request(self, request: fastapi.Request) -> Any:
        """For a model that reads the body itself; Truss has parsed nothing."""
        model_input, is_json = await read_json(request)
        if not is_json or not self._asks(model_input):
            return await self._predict(None, request)
        return await self._predict_work(
            await to_thread.run_sync(self._outbox.begin, model_input, request)
        )

    async def _predict_work(self, work: Work) -> Any:
        own = self._steps["predict"]
        if "postprocess" in self._steps:
            await self._advance(work, own, "predict")
            return work
        await self._outbox.store_all(work, self._call_of(own, work), of=own.method)
        return StoredResponse(self._outbox, work)

    async def _postprocess(self, value: Any, request: fastapi.Request) -> Any:
        own = self._steps["postprocess"]
        if not isinstance(value, Work):
            with _answering():
                return _plain(await own(value, request))
        await self._outbox.store_all(value, self._call_of(own, value), of=own.method)
        return await self._outbox.finish(value)

    async def _advance(self, work: Work, step: Step, name: str) -> None:
        """Take one of the author's steps, of which another is to follow."""
        if work.manifest is None and work.metadata.canary is None:
            call = partial(self._call_of(step, work), self._outbox.deadlines.in_thread)
            work.input = await self._outbox.run(work, call, of=step.method, name=name)

    def _call_of(self, step: Step, work: Work) -> Callable[[InThread], Awaitable[Any]]:
        assert work.caller is not None
        request = work.caller
        if step.takes_request_alone:
            request = with_body(request, json.dumps(work.input).encode())
        return lambda in_thread: step(work.input, request, in_thread=in_thread)


class StoredResponse(Response):
    """The pointer to a result, once it is committed.

    Truss has given the predict slot to the next request by the time it sends a response, and sends
    it whether or not the caller is still there. Until it is sent the server does not end.
    """

    def __init__(self, outbox: Outbox, work: Work) -> None:
        super().__init__()
        self._outbox = outbox
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pointer = await self._outbox.finish(self._work)
        await Response(json.dumps(pointer), media_type="application/json")(scope, receive, send)


@contextmanager
def _answering() -> Iterator[None]:
    """Around what is not stored: an author may raise our errors there too."""
    try:
        yield
    except OutboxError as error:
        raise http_error(error) from None


def _plain(returned: Any) -> Any:
    """A caller who does not have the files stored gets the result."""
    return returned.result if isinstance(returned, Outputs) else returned


def _accepted(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what Truss gives, what the class's own `__init__` takes."""
    initializer: Callable[..., None] = getattr(cls, "__init__")  # noqa: B009 - mypy knows less
    if initializer is object.__init__:
        return {}
    parameters = inspect.signature(initializer).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return dict(given)
    return {name: value for name, value in given.items() if name in parameters}


def _is_parsed(annotation: Any) -> bool:
    """Whether Truss parses an input that is annotated so."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _signed(
    method: Callable[..., Awaitable[Any]],
    *,
    value: Any = _EMPTY,
    answer: Any = _EMPTY,
    takes_value: bool = True,
) -> Callable[..., Awaitable[Any]]:
    """The method with the signature that Truss reads the model's schema from."""

    async def wrapped(*arguments: Any) -> Any:
        return await method(*arguments)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("model_input", kind, annotation=value)] if takes_value else []
    parameters.append(inspect.Parameter("request", kind, annotation=fastapi.Request))
    wrapped.__signature__ = inspect.Signature(parameters, return_annotation=answer)  # type: ignore[attr-defined]
    return wrapped
