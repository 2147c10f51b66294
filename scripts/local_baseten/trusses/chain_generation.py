"""Generate a Chain's Trusses, one a Chainlet, as `truss chains push` does before it uploads them:
`python -m local_baseten.trusses.chain_generation SOURCE RESULT`. In a process of its own: it
imports the Chain, and Truss writes to fixed places below TMPDIR and HOME.
"""

import json
import sys
from pathlib import Path

from truss.truss_handle import truss_gatherer
from truss_chains import framework, private_types
from truss_chains.deployment import deployment_client


def main() -> None:
    """Writes the Chainlets to RESULT: `[{name, display_name, truss}]`, the entrypoint first."""
    source, result = map(Path, sys.argv[1:])
    options = private_types.PushOptions(chain_name="chain", only_generate_trusses=True)
    with framework.ChainletImporter.import_target(source) as entrypoint:
        first, others, *_ = deployment_client._generate_chainlet_artifacts(  # noqa: SLF001
            options, entrypoint
        )
    chainlets = [
        {
            "name": artifact.name,
            "display_name": artifact.display_name,
            "truss": str(truss_gatherer.gather(artifact.truss_dir)),
        }
        for artifact in [first, *others]
    ]
    result.write_text(json.dumps(chainlets))


if __name__ == "__main__":
    main()
