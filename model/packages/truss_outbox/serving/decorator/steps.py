"""How Truss calls a model's methods: by which arguments, and in a thread or not."""

import inspect
from collections.abc import Callable
from typing import Any

from anyio import to_thread
from starlette.requests import Request

from ...contract.errors import ConfigurationError
from ..deadlines import InThread


class Step:
    """One of an author's methods (`preprocess`, `predict`, `postprocess`), as Truss would call it.

    It takes nothing, the value, the request (annotated so), or both. Raises ConfigurationError
    where Truss would refuse the method.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.signature = inspect.signature(method)
        parameters = list(self.signature.parameters.values())
        takes_request = [_is_request(parameter.annotation) for parameter in parameters]
        if takes_request not in ([], [False], [True], [False, True]):
            raise ConfigurationError(
                getattr(method, "__name__", "predict"),
                "takes the input, and after it, if at all, the request, annotated as"
                f" fastapi.Request; it takes {self.signature}",
            )
        self._value = parameters[0] if takes_request[:1] == [False] else None
        self._takes_request = takes_request[-1:] == [True]
        # A generator's body runs when it is read; the call only makes it.
        self._runs_here = inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)

    @property
    def takes_request_alone(self) -> bool:
        return self._takes_request and self._value is None

    @property
    def value_annotation(self) -> Any:
        return inspect.Parameter.empty if self._value is None else self._value.annotation

    async def __call__(
        self, value: Any, request: Request, *, in_thread: InThread = to_thread.run_sync
    ) -> Any:
        """`in_thread` runs a method that may block."""
        arguments = [] if self._value is None else [value]
        arguments += [request] if self._takes_request else []
        if self._runs_here:
            return self.method(*arguments)
        if inspect.iscoroutinefunction(self.method):
            return await self.method(*arguments)
        return await in_thread(self.method, *arguments)


def _is_request(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Request)
