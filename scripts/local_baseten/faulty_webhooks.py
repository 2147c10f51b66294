"""Webhooks that fail on request."""

import httpx

from scripts.local_baseten.faults import Fault, Faults


def make_faulty(client: httpx.AsyncClient, faults: Faults) -> None:
    """Some of the client's calls fail from now on, before or after they arrive."""

    async def before(_: httpx.Request) -> None:
        if faults.happens(Fault.WEBHOOK_ERROR):
            raise httpx.ConnectError("a fault that was asked for")

    async def after(_: httpx.Response) -> None:
        if faults.happens(Fault.WEBHOOK_LOST_ANSWER):
            raise httpx.ReadError("a fault that was asked for")

    client.event_hooks = {"request": [before], "response": [after]}
