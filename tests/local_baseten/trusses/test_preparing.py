"""What its author changes is laid out and started again."""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from local_baseten.logs import LineFormatter
from local_baseten.settings import ServiceSettings
from local_baseten.trusses.chain_layout import ServiceLayout
from local_baseten.trusses.client import ModelClient
from local_baseten.trusses.preparing import ModelSettings, Preparation
from local_baseten.trusses.scaling import TrussServers
from tests.local_baseten.conftest import TRUSSES

MENDED = "class Model:\n    def predict(self, model_input):\n        return 'mended'\n"


@pytest.fixture
def truss(tmp_path: Path) -> Path:
    return shutil.copytree(TRUSSES / "echo", tmp_path / "truss")


def preparation(truss: Path, **settings: bool) -> Preparation:
    place = truss.parent
    return Preparation(
        source=truss,
        target=place / "state" / "truss",
        environments=place / "environments",
        settings=ModelSettings(**settings),
    )


class Servers:
    """Of one Truss; they only take layouts."""

    def __init__(self, layout: ServiceLayout, *, is_failing: bool = False) -> None:
        self.layout = layout.trusses[0]
        self.is_failing = is_failing
        self.replaced = asyncio.Event()

    def replace(self, layout) -> None:
        self.layout = layout
        self.replaced.set()


@contextlib.asynccontextmanager
async def kept(prepared: Preparation, layout: ServiceLayout, servers) -> AsyncIterator[None]:
    task = asyncio.create_task(
        prepared.keep_up_to_date(layout, [servers], base_url="http://none", environment={})
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("reload", [True, False])
def test_a_change_is_laid_out_beside_what_runs_where_it_is_asked_for_or_nothing_runs(truss, reload):
    prepared = preparation(truss, reload=reload)

    async def scenario() -> None:
        layout = prepared.lay_out()
        servers = Servers(layout, is_failing=not reload)
        async with kept(prepared, layout, servers):
            for text in ("first", "second"):
                before = servers.layout.directory
                servers.replaced.clear()
                (truss / "model" / "model.py").write_text(f"# {text}\n")
                async with asyncio.timeout(60):
                    await servers.replaced.wait()
                assert servers.layout.directory != before
                assert before.exists()
                laid_out = servers.layout.directory / "model" / "model.py"
                assert laid_out.read_text() == f"# {text}\n"

    asyncio.run(scenario())


def test_a_config_that_is_broken_leaves_what_runs_until_it_is_mended(truss, caplog):
    prepared = preparation(truss, reload=True)
    config = (truss / "config.yaml").read_text()

    async def scenario() -> None:
        layout = prepared.lay_out()
        servers = Servers(layout)
        async with kept(prepared, layout, servers):
            (truss / "config.yaml").write_text("model_name: [")
            await until(lambda: "not started again: " in caplog.text)
            assert not servers.replaced.is_set()
            (truss / "config.yaml").write_text(f"{config}\n# mended\n")
            async with asyncio.timeout(60):
                await servers.replaced.wait()
            assert servers.layout.directory != layout.trusses[0].directory

    asyncio.run(scenario())


def test_what_is_looked_at_is_the_truss_and_not_what_lies_beside_it(truss):
    layout = preparation(truss).lay_out()
    for name in (".git/index", "model/__pycache__/model.pyc", "notes.txt"):
        (truss / name).parent.mkdir(exist_ok=True)
        (truss / name).touch()
    assert layout.look() == layout.seen
    for name in ("data/weights.bin", "packages/library.py", "model/part.py"):
        before = layout.look()
        (truss / name).parent.mkdir(exist_ok=True)
        (truss / name).touch()
        assert layout.look() != before


def test_a_model_that_does_not_come_up_is_told_and_started_when_it_is_mended(truss, caplog):
    """With the real server."""
    caplog.set_level(logging.INFO)
    (truss / "model" / "model.py").write_text("import no_such_module\n")
    prepared = preparation(truss)

    async def scenario() -> None:
        layout = prepared.lay_out()
        async with ModelClient() as model:
            servers = TrussServers(
                layout=layout.trusses[0],
                model=model,
                directory=truss.parent / "state" / "servers",
                environment={},
                settings=ServiceSettings(),
                on_change=lambda: None,
            )
            running = asyncio.create_task(servers.run())
            async with kept(prepared, layout, servers):
                await until(lambda: servers.servers[0].failed_starts)
                (truss / "model" / "model.py").write_text(MENDED)
                await until(lambda: servers.servers[0].is_ready)
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(scenario())
    said = [LineFormatter().format(record) for record in caplog.records]
    failures = [text for text in said if "does not come up" in text]
    assert len(failures) == 1
    assert "No module named 'no_such_module'" in failures[0]
    assert f"{truss}/model/model.py:1: import no_such_module" in failures[0]
    assert f"add no_such_module to the requirements in {truss}/config.yaml" in failures[0]
    assert "changed: " in caplog.text
