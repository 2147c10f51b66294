"""Lay out what is served: a Truss, or a Chain, whose every Chainlet is a Truss."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ChainError
from .layout import TrussLayout, lay_out_truss

_LAST_WORDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceLayout:
    """Requests go to the first Truss, the entrypoint; of a Chain, it calls the others.

    `display_names` are the Chainlets' names for each other, by the names of their Trusses.
    """

    trusses: Sequence[TrussLayout]
    is_chain: bool = False
    display_names: Mapping[str, str] = field(default_factory=dict)

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
    if not source.is_file():
        return ServiceLayout(trusses=[lay_out_truss(source, target)])
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="outbox-chain-") as scratch:
        chainlets = _generate(source, Path(scratch))
        return ServiceLayout(
            trusses=[
                lay_out_truss(Path(chainlet["truss"]), target / chainlet["name"])
                for chainlet in chainlets
            ],
            is_chain=True,
            display_names={one["name"]: one["display_name"] for one in chainlets},
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
