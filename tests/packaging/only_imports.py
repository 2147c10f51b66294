"""A contract for import-linter: what the modules of a package may import, and nothing else."""

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyImportsContract(Contract):
    """Whatever is not listed is forbidden, so that no new module and no new dependency escapes.

    The standard library and the package itself are always allowed. `may_import` holds packages, or
    `a.module -> a.package` for what one module alone may import. `besides` are subpackages to which
    the contract does not apply, and which the rest of the package may not import.
    """

    type_name = "only_imports"

    package = fields.StringField()
    may_import = fields.SetField(subfield=fields.StringField())
    besides = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = [
            (importer, imported)
            for importer in sorted({self.package, *graph.find_descendants(self.package)})
            if not self._is_beside(importer)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._is_allowed(importer, imported)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported}")

    def _is_allowed(self, importer: str, imported: str) -> bool:
        if _lies_in(imported, self.package):
            return not self._is_beside(imported)
        return imported.partition(".")[0] in sys.stdlib_module_names or any(
            _lies_in(imported, allowed.split(" -> ")[-1])
            for allowed in self.may_import
            if " -> " not in allowed or importer == allowed.split(" -> ")[0]
        )

    def _is_beside(self, module: str) -> bool:
        return any(_lies_in(module, name) for name in self.besides or ())


def _lies_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
