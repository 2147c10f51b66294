"""What `@stored` costs a request that is not stored, against the same class without it.

Two real Truss servers are asked in turn by one client, over one connection each.
"""

import asyncio
import contextlib
import http.client
import secrets
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import truss_outbox
from local_baseten.trusses.launcher import SECRET_HEADER
from local_baseten.trusses.layout import lay_out_truss
from local_baseten.trusses.process import running_truss

from ..measuring import in_turn, ratios, verdict

REQUESTS = 3000
"""To each server, one after the other: what else the machine does then falls on both."""
WARM_UP = 100
LIMIT_MILLISECONDS = 0.2

_MODEL = """import pydantic
from truss_outbox import stored

class Input(pydantic.BaseModel):
    text: str

"""
_MODELS = {
    "a dict": """class Model:
    def predict(self, model_input):
        return {"text": model_input["text"].upper()}
""",
    "pydantic": """class Model:
    def predict(self, model_input: Input):
        return {"text": model_input.text.upper()}
""",
}
"""By what predict takes."""
_BODY = b'{"text": "a request as small as they come"}'
_SECRET = secrets.token_urlsafe()
_HEADERS = {"content-type": "application/json", SECRET_HEADER: _SECRET}
_READY_SECONDS = 60


def measure() -> str:
    """Difference and ratio are those of two requests that follow each other."""
    lines, differences = [], []
    for name, model in _MODELS.items():
        with TemporaryDirectory() as directory:
            taken = asyncio.run(_measured(Path(directory), model))
        bare, stored = taken["bare"], taken["stored"]
        more = statistics.median(one - other for one, other in zip(stored, bare, strict=True))
        differences.append(more)
        lines.append(
            f"{name:<9} {statistics.median(bare):7.3f} {statistics.median(stored):7.3f}"
            f" {more:10.3f} {statistics.median(ratios(stored, bare)):6.2f}\n"
        )
    is_met = max(differences) <= LIMIT_MILLISECONDS
    return (
        f"{REQUESTS} requests to each server, milliseconds of one, medians\n"
        f"takes     without    with difference  ratio\n{''.join(lines)}"
        f"differences      {verdict(LIMIT_MILLISECONDS, is_met=is_met)}\n"
    )


async def _measured(directory: Path, model: str) -> dict[str, list[float]]:
    """The milliseconds of each request, by server."""
    async with (
        _serving(directory / "bare", _MODEL + model) as bare,
        _serving(directory / "stored", f"{_MODEL}@stored\n{model}") as stored,
    ):
        ways = {"bare": lambda: _milliseconds(bare), "stored": lambda: _milliseconds(stored)}
        await asyncio.to_thread(in_turn, ways, WARM_UP)
        return await asyncio.to_thread(in_turn, ways, REQUESTS)


@contextlib.asynccontextmanager
async def _serving(directory: Path, source: str) -> AsyncIterator[http.client.HTTPConnection]:
    """A connection to the server of a Truss that has this model.py."""
    truss = directory / "truss"
    (truss / "model").mkdir(parents=True)
    (truss / "model" / "model.py").write_text(source)
    packages = Path(truss_outbox.__file__).parent.parent
    (truss / "config.yaml").write_text(
        f"model_name: bench\npython_version: py311\nexternal_package_dirs: [{packages}]\n"
    )
    layout = lay_out_truss(truss, directory / "app")
    root = {"OUTBOX_ROOT": (directory / "bucket").as_uri()}
    async with running_truss(
        layout, environment=root, state_directory=directory / "state", secret=_SECRET
    ) as running:
        # Unread, it would fill up, and the server would wait.
        log = asyncio.create_task(running.log.read())
        connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=30)
        async with asyncio.timeout(_READY_SECONDS):
            while not _is_ready(connection):
                await asyncio.sleep(0.1)
        yield connection
        connection.close()
        log.cancel()


def _is_ready(connection: http.client.HTTPConnection) -> bool:
    try:
        return _status(connection, "GET", "/v1/models/model") == http.HTTPStatus.OK
    except OSError:
        connection.close()
        return False


def _milliseconds(connection: http.client.HTTPConnection) -> float:
    started = time.perf_counter()
    status = _status(connection, "POST", "/v1/models/model:predict", _BODY)
    milliseconds = (time.perf_counter() - started) * 1000
    if status != http.HTTPStatus.OK:
        raise SystemExit(f"the server answered {status}")
    return milliseconds


def _status(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> int:
    connection.request(method, path, body, _HEADERS)
    response = connection.getresponse()
    response.read()
    return response.status
