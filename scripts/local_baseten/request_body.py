"""Reading a request's body, but not more of it than is allowed."""

from starlette.requests import Request

from scripts.local_baseten.answers import ApiError

_MAX_COUNTED_BYTES = 64 * 1024 * 1024


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Raises ApiError 413, with the sentence Baseten uses.

    What is too much is counted and thrown away: its sender only reads the answer once it has
    sent everything.
    """
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            body += chunk
        elif size > _MAX_COUNTED_BYTES:
            break
    if size > max_bytes:
        raise ApiError(
            413,
            "payload_too_large",
            f"payload size of {size} bytes exceeds maximum size of {max_bytes} bytes",
        )
    return bytes(body)
