"""The service's HTTP client; what the environment says of proxies and certificates is checked."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

import httpx

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.stores.network import Place, check_certificates, check_key_log, check_proxy


class _More(TypedDict, total=False):
    limits: httpx.Limits
    headers: Mapping[str, str]
    event_hooks: Mapping[str, list[Any]]


def http_client(place: Place, *, timeout: httpx.Timeout, **more: Unpack[_More]) -> httpx.Client:
    """For one server. Raises ConfigurationError; nothing is sent yet.

    By a transport of our own: httpx gives up where any proxy of the environment, or any entry of
    NO_PROXY, is not one that it knows, also where neither is about this server.
    """
    check_proxy(place.proxy_url)
    _check_certificates()
    limits = more.pop("limits", httpx.Limits())
    try:
        transport = httpx.HTTPTransport(proxy=place.proxy_url, limits=limits)
    except Exception as error:  # noqa: BLE001  # httpx has none of its own for these
        # Without its words, which may quote a proxy's password.
        problem = f"no client can be made ({type(error).__name__}): check proxy and certificates"
        raise ConfigurationError(place.setting or place.depends_on, problem) from None
    return httpx.Client(base_url=place.url, transport=transport, timeout=timeout, **more)


def _check_certificates() -> None:
    check_key_log()
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if place := os.environ.get(variable):
            check_certificates(variable, Path(place))
            return
