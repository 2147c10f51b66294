"""Rules of the house that no linter knows: names, folders, and who may print."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.tiny_truss import PROJECT

MAX_FILES = 14
ROOTS = [
    PROJECT / "model",
    PROJECT / "scripts" / "outbox_client",
    PROJECT / "scripts" / "local_baseten",
    PROJECT / "scripts" / "baseten_webhooks",
]
STREAMS = {"stdout", "stderr"}


def modules() -> list[Path]:
    return [module for root in ROOTS for module in sorted(root.rglob("*.py"))]


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def test_a_public_class_has_a_name_of_its_own():
    places = defaultdict(list)
    for module in modules():
        for node in tree(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(module.relative_to(PROJECT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_folder_holds_more_files_than_can_be_looked_over():
    counts = Counter(module.parent.relative_to(PROJECT).as_posix() for module in modules())
    assert {folder: count for folder, count in counts.items() if count > MAX_FILES} == {}


def writes(module: Path) -> Iterator[str]:
    """Where a module prints or takes one of the process's streams."""
    for node in ast.walk(tree(module)):
        place = f"{module.relative_to(PROJECT)}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield place
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in STREAMS:
                yield place
            case ast.ImportFrom(module="sys", names=names) if STREAMS & {n.name for n in names}:
                yield place


def test_the_companion_prints_in_its_commands_alone():
    companion = PROJECT / "scripts" / "outbox_client"
    commands = companion / "commands"
    silent = [module for module in companion.rglob("*.py") if commands not in module.parents]
    assert len(silent) > 1
    assert [place for module in silent for place in writes(module)] == []
    assert any(place for module in commands.rglob("*.py") for place in writes(module))
