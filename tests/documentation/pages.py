"""The project's Markdown pages and the code blocks in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tiny_truss import PROJECT

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

_SEPARATORS = "();|&<>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block; `language` is empty where it shows something other than code."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        start = self.text.strip().partition("\n")[0][:40]
        return f"{self.page.relative_to(PROJECT)}: {self.language}: {start}"


def pages() -> list[Path]:
    """Every page that belongs to the project, the README first."""
    folders = [PROJECT / name for name in (".github", "data", "model", "scripts", "tests")]
    below = [page for folder in folders for page in sorted(folder.rglob("*.md"))]
    return [*sorted(PROJECT.glob("*.md"), reverse=True), *below]


def blocks() -> list[Block]:
    return [found for page in pages() for found in _blocks_of(page)]


def _blocks_of(page: Path) -> Iterator[Block]:
    for indent, language, text in _FENCED.findall(page.read_text()):
        lines = text.splitlines(keepends=True)
        yield Block(
            page=page,
            language=language,
            text="".join(line.removeprefix(indent) for line in lines),
        )


def block(language: str, containing: str) -> str:
    """The one code block of a language, on any page, that has the text in it.

    Give both as literals: `test_every_example_is_run` reads the calls in the tests' source.
    """
    found = [one for one in blocks() if one.language == language and containing in one.text]
    assert len(found) == 1, f"{len(found)} blocks of {language} contain {containing!r}"
    return found[0].text


def without_blocks(page: Path) -> str:
    """The page's prose: what is not in a fenced block."""
    return _FENCED.sub("", page.read_text())


def command_lines(shell: str) -> list[list[str]]:
    """The words after `outbox` of each call of it in a shell script."""
    shell = re.sub(r"(^|\s)#.*", r"\1", shell.replace("\\\n", " "), flags=re.MULTILINE)
    lexer = shlex.shlex(shell, posix=True, punctuation_chars=f"{_SEPARATORS}\n")
    lexer.whitespace, lexer.commenters = " \t", ""
    lexer.whitespace_split = True
    called = []
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= {*_SEPARATORS, "\n"}:
            called += [words[1:]] if _is_outbox(words) else []
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)
    return called


def _is_outbox(words: list[str]) -> bool:
    return bool(words) and words[0] in {"outbox", ".venv/bin/outbox"}
