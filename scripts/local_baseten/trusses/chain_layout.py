"""Lay out what is served: a Truss, or a Chain, whose every Chainlet is a Truss."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import ChainError
from .layout import TrussLayout, lay_out_truss

_LAST_WORDS = 3
_OF_A_CHAIN = frozenset({".py", ".txt", ".toml", ".lock", ".yaml"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceLayout:
    """Requests go to the first Truss, the entrypoint; of a Chain, it calls the others.

    `display_names` are the Chainlets' names for each other, by the names of their Trusses. `seen`
    is how its author's files looked when it was laid out.
    """

    trusses: Sequence[TrussLayout]
    seen: frozenset[tuple[str, int, int]] = frozenset()
    is_chain: bool = False
    display_names: Mapping[str, str] = field(default_factory=dict)

    def look(self) -> frozenset[tuple[str, int, int]]:
        """How its author's files look now: names, times of change, sizes."""
        places = {truss.config for truss in self.trusses}
        places |= {truss.requirements_file for truss in self.trusses}
        for truss in self.trusses:
            places.update(*truss.folders.values())
        found = {file for place in places for file in _files(place)}
        if self.is_chain:  # its folder may hold anything
            found = {file for file in found if file.suffix in _OF_A_CHAIN}
        looks = set()
        for file in found:
            with contextlib.suppress(OSError):  # it has just gone
                status = file.stat()
                looks.add((str(file), status.st_mtime_ns, status.st_size))
        return frozenset(looks)

    def connect(self, base_url: str) -> None:
        """Tell all Chainlets where the others answer, as Baseten does: by a mounted file."""
        urls = {
            self.display_names[truss.name]: {
                "predict_url": f"{base_url}/chainlets/{truss.name}/run_remote"
            }
            for truss in self.trusses[1:]
        }
        for truss in self.trusses if self.is_chain else ():
            directory = truss.directory / "dynamic_config"
            directory.mkdir(exist_ok=True)
            (directory / "dynamic_chainlet_config").write_text(json.dumps(urls))


def lay_out(source: Path, target: Path) -> ServiceLayout:
    """Replace `target` by a Truss, or below it one for each Chainlet of a Chain.

    `source` is the Truss's directory, or the Python file with the Chain's entrypoint. Raises
    TrussError and ChainError.
    """
    layout = _lay_out(source, target)
    return replace(layout, seen=layout.look())


def _lay_out(source: Path, target: Path) -> ServiceLayout:
    if not source.is_file():
        return ServiceLayout(trusses=[lay_out_truss(source, target)])
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="outbox-chain-") as scratch:
        chainlets = _generate(source, Path(scratch))
        return ServiceLayout(
            trusses=[
                _written_in(source, lay_out_truss(Path(one["truss"]), target / one["name"]))
                for one in chainlets
            ],
            is_chain=True,
            display_names={one["name"]: one["display_name"] for one in chainlets},
        )


def _files(place: Path) -> Iterator[Path]:
    """The file, or those below the folder; not in hidden folders and environments."""
    if place.is_file():
        yield place
    for folder, names, files in os.walk(place):
        names[:] = [
            name
            for name in names
            if not name.startswith((".", "__")) and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(folder, name) for name in files)


def _written_in(source: Path, chainlet: TrussLayout) -> TrussLayout:
    """The Truss itself was generated: what its author writes is in the Chain's file."""
    folders = {"packages": [source.parent], "model": [], "data": []}
    return replace(
        chainlet, config=source, requirements_file=source, model_file=source, folders=folders
    )


def _generate(source: Path, scratch: Path) -> list[dict[str, Any]]:
    """The Chainlets, the entrypoint first: `name`, `display_name`, and where the `truss` is."""
    result = scratch / "chainlets.json"
    # Truss formats what it generates by the `ruff` that it was installed with.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.chain_generation", source.resolve(), result],
        env={**os.environ, "PATH": path, "TMPDIR": str(scratch), "HOME": str(scratch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-_LAST_WORDS:]
        raise ChainError(source, " ".join(words))
    chainlets: list[dict[str, Any]] = json.loads(result.read_text())
    return chainlets
