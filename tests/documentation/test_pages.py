"""What the pages name exists: links, files, commands and their options; every example is run."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from outbox_client.commands.app import app
from tests.documentation import pages as pages_module
from tests.documentation.pages import (
    Block,
    block,
    blocks,
    command_lines,
    pages,
    without_blocks,
)
from tests.tiny_truss import PROJECT, ocr_is_here

COMMAND = typer.main.get_command(app)

NOT_RUN = {
    ("sh", "scripts/demo "): "it takes minutes; test_interrupting.py starts it, and interrupts it",
    ("sh", "scripts/test --all"): "it is the command that runs this",
    ("sh", "pip wheel ."): "tests/packaging installs the wheel into environments of its own",
    ("sh", "serve . --bucket"): "it runs until it is ended; the fixture `ocr` starts the same",
    ("sh", "serve my-truss"): "it runs until it is ended; test_adopting.py starts the same",
    ("sh", "serve PATH/TO/TRUSS"): "it runs until it is ended; all of local_baseten's tests do it",
    ("sh", ".py --bucket"): "it runs until it is ended; test_chain.py starts the same",
    ("sh", "serve scripts/examples/speech"): "it runs until it is ended; test_speech.py does it",
    (
        "sh",
        "serve scripts/examples/streaming",
    ): "it is ended only by you; test_streaming.py does it",
    ("sh", "webhook listen"): "it runs until it is ended; test_receiver.py starts the same",
    ("sh", "OUTBOX_MODEL_ID=…"): "it needs a model on Baseten",
    ("sh", "index archive --engine"): "it needs clusters; test_engines.py runs the same",
    ("sh", "gcloud storage"): "it needs a project on Google Cloud",
    ("sh", "truss chains push"): "it needs an account on Baseten; test_chain.py runs the Chain",
    ("sql", "CREATE EXTERNAL TABLE outbox.results"): "it needs BigQuery",
}
"""The examples that no test runs, each by a text that it alone contains, and the reason."""


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(PROJECT)) for path in paths]


every_page = pytest.mark.parametrize("page", pages(), ids=named(pages()))


# Examples


def blocks_in_tests() -> Iterator[tuple[str, str]]:
    """The arguments of each call of `block` in the tests."""
    for file in (PROJECT / "tests").rglob("*.py"):
        source = file.read_text()
        if file in {Path(__file__), Path(pages_module.__file__)} or "block(" not in source:
            continue
        for call in ast.walk(ast.parse(source)):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "block":
                language, containing = (ast.literal_eval(argument) for argument in call.args)
                yield language, containing


def test_every_example_is_run_or_has_a_reason_why_not():
    used = {block(*arguments) for arguments in blocks_in_tests()}
    excused = {block(*arguments) for arguments in NOT_RUN}

    assert not used & excused
    examples = [one for one in blocks() if one.language in {"python", "sh", "sql"}]
    assert [str(one) for one in examples if one.text not in used | excused] == []


def test_blocks_have_a_language_that_is_checked():
    checked = {"", "json", "python", "sh", "sql", "toml", "yaml"}
    assert [str(one) for one in blocks() if one.language not in checked] == []


def test_json_and_yaml_are_that():
    for one in blocks():
        if one.language == "yaml":
            assert yaml.safe_load(one.text), str(one)
        if one.language == "json":
            assert list(json_documents(one)), str(one)


def json_documents(one: Block) -> Iterator[object]:
    rest = one.text.strip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        yield document
        rest = rest[end:].lstrip()


# Commands


def parse(words: list[str], command=COMMAND, parent=None) -> None:
    """Raises what `outbox` would say of these words; runs nothing."""
    context = command.make_context(command.name or "outbox", list(words), parent=parent)
    if isinstance(command, typer.core.TyperGroup):
        called = [*context._protected_args, *context.args]
        if called:
            _, subcommand, rest = command.resolve_command(context, called)
            parse(rest, subcommand, context)


SHELL = [one for one in blocks() if one.language == "sh"]


@pytest.mark.parametrize("one", SHELL, ids=str)
def test_the_companion_takes_each_command_line(one):
    for words in command_lines(one.text):
        parse(words)


def test_a_misspelt_command_or_option_is_found():
    script = "A=1 outbox fetch march \\\n  --too x  # no such option\nls | outbox fecth\nls"
    called = command_lines(script)
    assert called == [["fetch", "march", "--too", "x"], ["fecth"]]
    for words in called:
        with pytest.raises(Exception, match="No such"):
            parse(words)


@every_page
def test_commands_named_in_a_sentence_exist(page):
    """Without what a command requires: a sentence may name `outbox fetch` alone."""
    for span in code_spans(page):
        for words in command_lines(span.replace("<", "").replace(">", "")):
            known = command_of(words)
            options = {name for parameter in known.params for name in parameter.opts}
            unknown = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert unknown <= options | {"--help", "--install-completion"}, span


def command_of(words: list[str]):
    """The command that the first words name."""
    command = COMMAND
    for word in words:
        if not isinstance(command, typer.core.TyperGroup) or not re.match(r"[a-z]", word):
            break
        assert word in command.commands, f"outbox has no command {word}"
        command = command.commands[word]
    return command


def code_spans(page: Path) -> list[str]:
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", without_blocks(page))]


# Files and links


def is_of_another_inference(path: str) -> bool:
    """Whether the page names a file of the OCR, and this Truss has another inference."""
    return path.startswith("model/inference/") and not ocr_is_here()


@every_page
def test_the_projects_files_that_are_named_exist(page):
    starts = r"(?<![\w./-])(?:scripts|model|tests|data|\.github)/[\w./*-]+"
    for path in re.findall(starts, page.read_text()):
        assert list(PROJECT.glob(path.rstrip("./"))) or is_of_another_inference(path), path


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if re.match(r"https?:", target) or is_of_another_inference(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """GitHub's names for the page's headings."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


@every_page
def test_lines_are_short(page):
    """Rows of tables cannot be broken."""
    lines = [line for line in page.read_text().splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 100] == []
