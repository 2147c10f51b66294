"""A Truss server alone, and all that it says, to be searched."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from local_baseten.trusses.layout import TrussLayout
from local_baseten.trusses.process import running_truss


@dataclass
class Output:
    """All that a server said: its raw log, its answers, its metrics."""

    log: str = ""
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    metrics: str = ""

    def places(self) -> dict[str, str]:
        answers = {
            f"the answer to {name!r}": f"{answer.headers} {answer.text}"
            for name, answer in self.answers.items()
        }
        return answers | {"the log": self.log, "the metrics": self.metrics}


@contextlib.asynccontextmanager
async def serving(
    layout: TrussLayout, environment: Mapping[str, str], directory: Path, output: Output
) -> AsyncIterator[httpx.AsyncClient]:
    """The Truss server alone; `output.log` is complete when the block is over."""
    async with contextlib.AsyncExitStack() as stack:
        truss = await stack.enter_async_context(
            running_truss(layout, environment=environment, state_directory=directory)
        )
        reader = asyncio.create_task(truss.log.read())
        async with httpx.AsyncClient(
            base_url=truss.url, headers=truss.headers, timeout=30
        ) as client:
            yield client
            output.metrics = (await client.get("/metrics", follow_redirects=True)).text
        await stack.aclose()
        output.log = (await reader).decode(errors="replace")


async def ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/v1/models/model")).is_success:
                    return
            await asyncio.sleep(0.05)
