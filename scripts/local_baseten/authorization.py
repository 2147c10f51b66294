"""Who may call: `Authorization: Api-Key KEY` or `Bearer KEY`."""

import hmac

from starlette.requests import Request

from scripts.local_baseten.answers import ApiError


def authorize(request: Request, api_key: str | None) -> None:
    """Raises ApiError 401. Without a configured key every key will do, but there must be one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() not in {"api-key", "bearer"} or not key:
        raise ApiError(
            401, "unauthorized", "Send the header `Authorization: Api-Key KEY` (or `Bearer KEY`)."
        )
    if api_key is not None and not hmac.compare_digest(key.encode(), api_key.encode()):
        raise ApiError(401, "unauthorized", "The API key is not the one this service was given.")
