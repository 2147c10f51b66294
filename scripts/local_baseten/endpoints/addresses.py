"""Which address a call was sent to: the hosts the stand-in answers to, and paths as they were sent.

The service's hosts, for callers who send their Host header to the stand-in's own address:

    model-ID.api.baseten.co              paths that name a deployment
    model-ID-ENVIRONMENT.api.baseten.co  a regional environment's: paths that name none

A Chain's begin with `chain-`. The stand-in's own address answers paths of both forms.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import ApiError, error_answer

_SERVICE_HOST = re.compile(
    r"(?P<kind>model|chain)-[a-z0-9]+(?:-(?P<environment>[a-z0-9-]+))?\.api\.baseten\.co"
)
_MATCH = "local_baseten.service_host"
"""In the scope of a call: the match of its host; None at the stand-in's own address."""


def names_of(base_url: str) -> frozenset[str]:
    """What a caller's Host header may say: the address itself, and this machine's names."""
    address = urlsplit(base_url)
    port = f":{address.port}" if address.port else ""
    names = frozenset(f"{host}{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
    return names | {address.netloc}


@dataclass(frozen=True, slots=True)
class AddressCheck:
    """ASGI middleware: 400 for every Host header but those of `hosts` and of the service itself.

    `kind` is `model` or `chain`: the other's hosts are others. A path goes on as it was sent,
    where a server would decode it: the service has none that is written in another way.
    """

    app: ASGIApp
    hosts: Collection[str]
    kind: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = Headers(scope=scope).getlist("host")
        host = named[0].lower() if len(named) == 1 else ""
        match = None if host in self.hosts else _SERVICE_HOST.fullmatch(host)
        if host in self.hosts or (match and match["kind"] == self.kind):
            sent = scope["raw_path"].decode("latin-1")
            await self.app({**scope, "path": sent, _MATCH: match}, receive, send)
        else:
            refusal = error_answer(400, "client_error", "The Host header names another host.")
            await refusal(scope, receive, send)


def check_form(call: Request, *, names_deployment: bool) -> None:
    """Whether the host has paths of this form. Raises ApiError 404."""
    match = call.scope[_MATCH]
    if match is None or (match["environment"] is None) == names_deployment:
        return
    remedy = (
        "This is a regional environment's host: its paths name no deployment."
        if names_deployment
        else "Name a deployment: /production, /development, /environments/NAME, /deployment/ID."
    )
    raise ApiError(404, "client_error", remedy)


def path_parameter(call: Request, name: str) -> str:
    return unquote(call.path_params[name], errors="replace")


def deployment_of(call: Request) -> str:
    """The deployment's id or the environment's name; production where neither is told."""
    if "name" in call.path_params:
        return path_parameter(call, "name")
    first, _, rest = call.scope["path"][1:].partition("/")
    match = call.scope[_MATCH]
    regional = match and match["environment"]
    return regional or (first if rest else "production")
