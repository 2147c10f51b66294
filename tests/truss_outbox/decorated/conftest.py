"""Servers of every shape, plain and decorated, in one process."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from tests.truss_outbox.decorated.others import OTHERS, SETTINGS
from tests.truss_outbox.decorated.shapes import SHAPES, source
from tests.waiting import until
from truss_outbox.contract.manifest import Failure, Manifest

HOSTING = Path(__file__).parent / "hosting.py"


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model's server, and the directory that it stores in."""

    url: str
    directory: Path
    log: Path
    client: httpx.Client

    def ask(self, body: Any, *, path: str = "/v1/models/model:predict", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", "x-baseten-request-id": "r1"} | headers
        return self.client.post(f"{self.url}{path}", content=content, headers=given)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(f"{self.url}{path}")

    def manifest(self, item: str, *, job: str = "J") -> Manifest:
        path = f"manifests/job={job}/{item}.json"
        return Manifest.at(path, (self.directory / path).read_bytes())

    def failures(self, item: str, *, job: str = "J") -> list[Failure]:
        found = sorted((self.directory / f"failures/job={job}/{item}").glob("*.json"))
        return [Failure.from_bytes(path.read_bytes()) for path in found]

    def artifact(self, manifest: Manifest, name: str) -> bytes:
        return (self.directory / f"artifacts/{manifest.key}/{manifest.attempt}/{name}").read_bytes()


@contextlib.contextmanager
def hosted(
    directory: Path,
    models: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Iterator[dict[str, Hosted]]:
    """A server for the source of each model, with the `settings` of its name."""
    for name, code in models.items():
        model = directory / "trusses" / name / "model"
        model.mkdir(parents=True)
        (model / "model.py").write_text(code)
        section = {"root": (directory / "stored" / name).as_uri(), **settings.get(name, {})}
        (model.parent / "outbox.json").write_text(json.dumps(section))
        (directory / "stored" / name).mkdir(parents=True)
    empty = directory / "empty"
    (empty / "model").mkdir(parents=True)
    (empty / "config.yaml").write_text("model_name: empty\n")
    # Takes a second, which not every process needs.
    from truss.contexts.image_builder.serving_image_builder import ServingImageBuilderContext

    ServingImageBuilderContext.run(empty).prepare_image_build_dir(directory / "image")
    log, addresses = directory / "log", directory / "addresses"
    with (
        httpx.Client(timeout=30, trust_env=False) as client,
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, HOSTING, directory / "trusses", addresses],
            env={**os.environ, "PYTHONPATH": str(directory / "image" / "server")},
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
        ) as process,
    ):
        try:
            until(lambda: addresses.exists() or process.poll() is not None, "the servers")
            assert process.poll() is None, log.read_text()[-3000:]
            yield {
                name: Hosted(url, directory / "stored" / name, log, client)
                for name, url in json.loads(addresses.read_text()).items()
            }
        finally:
            process.kill()


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Iterator[dict[str, Hosted]]:
    """By the shape's name, and by that with `stored ` before it."""
    models = {name: source(shape, is_decorated=False) for name, shape in SHAPES.items()}
    models |= {f"stored {name}": source(shape, is_decorated=True) for name, shape in SHAPES.items()}
    with hosted(tmp_path_factory.mktemp("shapes"), models | OTHERS, SETTINGS) as servers:
        yield servers
