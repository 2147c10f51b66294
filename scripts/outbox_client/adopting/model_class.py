"""The model's class as its source shows it: what it lacks to be stored, and what hinders it.

The source is parsed, never run.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from truss_outbox.contract.errors import ConfigurationError

from .adoption import MissingLine
from .library import NAME

_IMPORT = f"from {NAME} import stored"
_DECORATOR = "@stored"
_FIELD = "metadata"
_READING = {"get", "pop", "setdefault"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelClass:
    missing_lines: tuple[MissingLine, ...]
    """In the order to add them; none where the class is decorated, or opens an Outbox itself."""
    metadata_line: int | None
    """Where the model takes a field `metadata` of its input for itself."""


def read_model_class(path: Path, class_name: str, *, name: str) -> ModelClass:
    """`name` is the file's below the Truss. Raises ConfigurationError with the reason why not."""
    tree = _parsed(path, name)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if class_name not in classes:
        raise ConfigurationError(
            name, f"has no class {class_name}: set model_class_name to the class that predicts"
        )
    methods = {one.name: one for one in _methods(classes[class_name], classes)}
    if "predict" not in methods and not _may_inherit(classes[class_name], classes):
        raise ConfigurationError(name, _without_predict(class_name, methods))
    return ModelClass(
        missing_lines=tuple(_missing_lines(tree, classes[class_name])),
        metadata_line=_metadata_line(methods, classes),
    )


def _parsed(path: Path, name: str) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ConfigurationError(name, f"line {error.lineno}: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(name, "cannot be read as Python") from error


def _methods(model: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[Function]:
    """Those of base classes in the same file first, so that its own go before them."""
    for base in model.bases:
        if isinstance(base, ast.Name) and base.id in classes and base.id != model.name:
            yield from _methods(classes[base.id], classes)
    yield from (node for node in model.body if isinstance(node, Function))


def _may_inherit(model: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    """Whether a base class lies in another file."""
    known = {*classes, "object"}
    return any(not isinstance(base, ast.Name) or base.id not in known for base in model.bases)


def _without_predict(class_name: str, methods: dict[str, Function]) -> str:
    if "websocket" in methods:
        return (
            f"{class_name} serves a websocket: it has no request whose result could be stored."
            " Outbox stores what predict returns"
        )
    return f"{class_name} has no predict: Outbox stores what predict returns"


def _missing_lines(tree: ast.Module, model: ast.ClassDef) -> Iterator[MissingLine]:
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == NAME
        for alias in node.names
    }
    if any(_is_stored(one) for one in model.decorator_list) or "Outbox" in imported:
        return
    above = 0
    if "stored" not in imported:
        yield MissingLine(number=_line_for_import(tree, model), text=_IMPORT)
        above = 1
    first = min([model.lineno, *(one.lineno for one in model.decorator_list)])
    yield MissingLine(number=first + above, text=_DECORATOR)


def _is_stored(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name(id="stored") | ast.Attribute(attr="stored"):
            return True
        case ast.Call(func=function):
            return _is_stored(function)
    return False


def _line_for_import(tree: ast.Module, model: ast.ClassDef) -> int:
    """Below the last import before the class, else below the docstring, else at the top."""
    before = [node for node in tree.body if node.lineno < model.lineno]
    imports = [node for node in before if isinstance(node, ast.Import | ast.ImportFrom)]
    docstring = before[:1] if ast.get_docstring(tree) is not None else []
    last = (imports or docstring)[-1:]
    return (last[0].end_lineno or 0) + 1 if last else 1


def _metadata_line(methods: dict[str, Function], classes: dict[str, ast.ClassDef]) -> int | None:
    for name in ("preprocess", "predict"):
        arguments = methods[name].args.args[1:2] if name in methods else []
        for argument in arguments:
            if isinstance(argument.annotation, ast.Name) and argument.annotation.id in classes:
                for field in classes[argument.annotation.id].body:
                    if isinstance(field, ast.AnnAssign) and _is_name(field.target, _FIELD):
                        return field.lineno
            for node in ast.walk(methods[name]):
                if _reads_metadata(node, argument.arg):
                    return int(node.lineno)  # type: ignore[attr-defined]  # an expression has one
    return None


def _reads_metadata(node: ast.AST, argument: str) -> bool:
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value="metadata")):
            return _is_name(value, argument)
        case ast.Attribute(value=value, attr="metadata"):
            return _is_name(value, argument)
        case ast.Call(
            func=ast.Attribute(value=value, attr=method), args=[ast.Constant("metadata"), *_]
        ):
            return method in _READING and _is_name(value, argument)
        case ast.Compare(left=ast.Constant(value="metadata"), comparators=[value]):
            return _is_name(value, argument)
    return False


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
