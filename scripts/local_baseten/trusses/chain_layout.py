"""Lay out what is served: a Truss, or a Chain, whose every Chainlet is a Truss."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ChainError
from .layout import TrussLayout, lay_out_truss

_LAST_WORDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceLayout:
    """`entrypoint` is what requests go to; `chainlets` are what it calls, by class name."""

    entrypoint: TrussLayout
    is_chain: bool = False
    chainlets: Mapping[str, TrussLayout] = field(default_factory=dict)
    display_names: Mapping[str, str] = field(default_factory=dict)

    def connect(self, base_url: str) -> None:
        """Tell all Chainlets where the others answer, as Baseten does: by a mounted file."""
        urls = {
            self.display_names[name]: {"predict_url": f"{base_url}/chainlets/{name}/run_remote"}
            for name in self.chainlets
        }
        for layout in (self.entrypoint, *self.chainlets.values()) if self.is_chain else ():
            directory = layout.directory / "dynamic_config"
            directory.mkdir(exist_ok=True)
            (directory / "dynamic_chainlet_config").write_text(json.dumps(urls))


def lay_out(source: Path, target: Path) -> ServiceLayout:
    """Replace `target` by a Truss, or below it one for each Chainlet of a Chain.

    `source` is the Truss's directory, or the Python file with the Chain's entrypoint. Raises
    TrussError and ChainError.
    """
    if not source.is_file():
        return ServiceLayout(entrypoint=lay_out_truss(source, target))
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="outbox-chain-") as scratch:
        first, *others = _generate(source, Path(scratch))
        layouts = {
            chainlet["name"]: lay_out_truss(Path(chainlet["truss"]), target / chainlet["name"])
            for chainlet in [first, *others]
        }
    return ServiceLayout(
        entrypoint=layouts.pop(first["name"]),
        is_chain=True,
        chainlets=layouts,
        display_names={chainlet["name"]: chainlet["display_name"] for chainlet in others},
    )


def _generate(source: Path, scratch: Path) -> list[dict[str, Any]]:
    result = scratch / "chainlets.json"
    module = "local_baseten.trusses.chain_generation"
    done = subprocess.run(
        [sys.executable, "-m", module, str(source.resolve()), str(result)],
        env=os.environ
        | {"TMPDIR": str(scratch), "HOME": str(scratch)}
        # Truss formats what it generates by the `ruff` that it was installed with.
        | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])},
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
