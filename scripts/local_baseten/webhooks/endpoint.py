"""Where a webhook may go: https anywhere, http on this machine. Pure: nothing is looked up."""

import re

import httpx

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(rb"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_CONTROL = re.compile(r"[\x00-\x20]")


def check_endpoint(endpoint: str) -> str:
    """`endpoint`, as the client that will call it reads it. Raises ValueError, which says why."""
    try:
        url = httpx.URL(endpoint)
    except (ValueError, httpx.InvalidURL):
        raise ValueError("must be an https URL") from None
    is_url = _HOST.fullmatch(url.raw_host) and (url.port or 443) <= 65_535
    if url.scheme not in {"https", "http"} or not is_url or _CONTROL.search(endpoint):
        raise ValueError("must be an https URL")
    if url.scheme == "http" and url.host not in _LOCAL_HOSTS:
        raise ValueError("must be https; http is for localhost only")
    return endpoint
