"""Adding to a YAML text without touching what is there: comments, quotes, order, line ends.

YAML libraries write a whole text anew. Here lines are inserted at the places where a parser sees
the text's values, and the result is parsed again: it is what was there with what was to be added,
or it is refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/<>=~!-]*(:[A-Za-z0-9._/<>=~!-]+)*\Z")
_DEFAULT_STEP = 2


class CannotEditError(ValueError):
    """The text is written in a way that only its author can add to."""


def parse(text: str) -> Any:
    """Raises yaml.YAMLError."""
    return yaml.safe_load(text)


def add(text: str, additions: Mapping[str, Any]) -> str:
    """`text` with `additions`: mappings are merged, lists appended to, other values set.

    Raises CannotEditError, and yaml.YAMLError where `text` is no YAML.
    """
    there, ends = parse(text), "\r\n" if "\r\n" in text else "\n"
    try:
        expected = merged(there, additions)
        edited = _Text(text, ends).with_mapping((), additions)
        if parse(edited) == expected:
            return edited
    except (yaml.YAMLError, CannotEditError):
        pass
    raise CannotEditError("it holds aliases, tags or a layout that cannot be added to safely")


def merged(value: Any, additions: Any) -> Any:
    """The value that `add` makes of a parsed one. Raises CannotEditError where kinds differ."""
    if not isinstance(additions, Mapping | list):
        return additions
    if not isinstance(value, (dict if isinstance(additions, Mapping) else list) | None):
        raise CannotEditError("a value of another kind is there")
    if isinstance(additions, list):
        return [*(value or []), *additions]
    known = dict(value or {})
    return known | {name: merged(known.get(name), new) for name, new in additions.items()}


def block(value: Any, *, step: int = _DEFAULT_STEP, indent_items: bool = True) -> Iterator[str]:
    """The lines of a mapping or a list of texts in block style, without their ends."""
    if isinstance(value, list):
        yield from (f"- {_scalar(item)}" for item in value)
        return
    for name, inner in value.items():
        if isinstance(inner, Mapping | list):
            yield f"{name}:"
            spaces = " " * step if isinstance(inner, Mapping) or indent_items else ""
            yield from (spaces + line for line in block(inner, step=step))
        else:
            yield f"{name}: {_scalar(inner)}"


class _Text:
    """One text with the places of its values."""

    def __init__(self, text: str, ends: str) -> None:
        self._text = text
        self._ends = ends
        self._root: Any = yaml.compose(text, Loader=yaml.SafeLoader)

    def with_mapping(self, path: tuple[str, ...], additions: Mapping[str, Any]) -> str:
        """Additions one after the other, as each moves the places of what follows it."""
        text = self
        for name, value in additions.items():
            text = _Text(text._with(path, name, value), self._ends)
        return text._text

    def _with(self, path: tuple[str, ...], name: str, value: Any) -> str:
        parent = self._root
        for step in path:
            parent = _pair(parent, step)[1]
        if parent is None:
            return self._with_lines(len(self._text), block({name: value}), column=0)
        key, node = _pair(parent, name)
        if key is None:
            return self._with_entry(parent, {name: value})
        if _is_empty(node):
            return self._with_value(parent, key, node, value)
        if isinstance(value, Mapping):
            return self.with_mapping((*path, name), value)
        if isinstance(value, list):
            return self._with_entry(node, value)
        return self._replaced(node.start_mark.index, node.end_mark.index, _scalar(value))

    def _with_entry(self, node: Any, entry: Any) -> str:
        """One more at the end of a mapping, or some at the end of a sequence."""
        if node.flow_style:
            return self._with_flow_entry(node, entry)
        first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node.value[0]
        column = first.start_mark.column
        if isinstance(node, yaml.SequenceNode):
            line = self._text.splitlines()[first.start_mark.line]
            column = len(line) - len(line.lstrip())
        lines = block(entry, step=self._step(), indent_items=self._indents_items())
        at = len(self._text) if node is self._root else self._end_of(node, column)
        return self._with_lines(at, lines, column=column)

    def _with_flow_entry(self, node: Any, entry: Any) -> str:
        last = node.value[-1]
        at = (last[1] if isinstance(last, tuple) else last).end_mark.index
        return self._replaced(at, at, f", {_flow(entry)[1:-1]}")

    def _with_value(self, parent: Any, key: Any, node: Any, value: Any) -> str:
        """In place of `null`, `{}`, `[]` or nothing."""
        start, end = node.start_mark.index, node.end_mark.index
        if not isinstance(value, Mapping | list):
            space = "" if self._text[start - 1].isspace() else " "
            return self._replaced(start, end, space + _scalar(value))
        if parent.flow_style:
            return self._replaced(start, end, _flow(value))
        while self._text[start - 1] == " ":
            start -= 1
        emptied = _Text(self._replaced(start, end, ""), self._ends)
        step = self._step()
        inner = 0 if isinstance(value, list) and not self._indents_items() else step
        at = emptied._line_end(start)
        column = key.start_mark.column + inner
        return emptied._with_lines(at, block(value, step=step), column=column)

    def _with_lines(self, at: int, lines: Iterator[str], *, column: int) -> str:
        """Whole lines, at the beginning of one or at the end of the text."""
        new = "".join(f"{' ' * column}{line}{self._ends}" for line in lines)
        starts_line = at == 0 or self._text[at - 1] == "\n"
        return self._replaced(at, at, new if starts_line else self._ends + new)

    def _replaced(self, start: int, end: int, new: str) -> str:
        return self._text[:start] + new + self._text[end:]

    def _end_of(self, node: Any, column: int) -> int:
        """Where the line after the node's last one begins, its comments included."""
        at = self._line_end(_last_index(self._text, node))
        comment = re.compile(rf" {{{column or 1},}}#.*(\n|\Z)")
        while following := comment.match(self._text, at):
            at = following.end()
        return at

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1

    def _step(self) -> int:
        """By how much this text indents."""
        for _, value in self._root.value if self._root else ():
            if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
                return int(value.value[0][0].start_mark.column) or _DEFAULT_STEP
        return _DEFAULT_STEP

    def _indents_items(self) -> bool:
        """Whether the text's lists are further right than their names."""
        for _, value in self._root.value if self._root else ():
            if isinstance(value, yaml.SequenceNode) and not value.flow_style:
                return bool(value.start_mark.column)
        return True


def _pair(parent: Any, name: str) -> tuple[Any, Any]:
    """The nodes of a name and of its value; None twice where it is not there."""
    return next((pair for pair in parent.value if pair[0].value == name), (None, None))


def _is_empty(node: Any) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return bool(node.tag == "tag:yaml.org,2002:null")
    return not node.value


def _last_index(text: str, node: Any) -> int:
    """An index in the last line that has something of the node."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (None, last)
        if key is not None and value.start_mark.index < key.end_mark.index:
            return int(key.end_mark.index)  # of an alias, the place of what it names
        return _last_index(text, value)
    return len(text[: node.end_mark.index].rstrip())


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_flow(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: str | None) -> str:
    if value is None:
        return "null"
    if _PLAIN.match(value) and parse(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
