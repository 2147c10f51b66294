"""A hot reload imports the library anew; it is the one that was there."""

import importlib
import sys

import truss_outbox


def test_a_library_that_is_imported_again_is_the_first_one():
    first = {name: mod for name, mod in sys.modules.items() if name.startswith("truss_outbox")}
    outputs = truss_outbox.Outputs
    try:
        for name in first:
            del sys.modules[name]
        again = importlib.import_module("truss_outbox")
        assert again is first["truss_outbox"]
        from truss_outbox.contract.manifest import Outputs
        from truss_outbox.serving import metrics

        assert Outputs is outputs
        assert metrics is first.get("truss_outbox.serving.metrics", metrics)
    finally:
        sys.modules |= first
