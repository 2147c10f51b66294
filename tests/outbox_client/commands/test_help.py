"""What a newcomer reads, and what the shell completes."""

import gc
import importlib
import shlex
from importlib.metadata import version

import pytest
import typer

from outbox_client.commands.app import HOMES, app
from outbox_client.commands.command_help import EXAMPLES, GROUPS
from outbox_client.commands.options import known_jobs
from outbox_client.journal.journal import Journal

GROUP = typer.main.get_command(app)
COMMANDS = {
    name: command for name, command in GROUP.commands.items() if not hasattr(command, "commands")
}


def test_every_command_is_listed_with_its_first_sentence():
    listed = {name: said for commands in GROUPS.values() for name, said in commands.items()}
    sentences = {name: one.get_short_help_str(200) for name, one in GROUP.commands.items()}
    assert listed == sentences


def test_garbage_is_collected_again_once_a_command_is_loaded():
    gc.disable()
    try:
        assert GROUP.commands["jobs"]
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def test_every_command_of_a_module_can_be_called():
    modules = {importlib.import_module(f"outbox_client.commands.{home}") for home in HOMES.values()}
    named = {one.name for module in modules for one in module.app.registered_commands}
    assert named - {"listen"} | {"webhook"} == set(HOMES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_in_the_help_can_be_typed(name):
    assert EXAMPLES[name]
    for example in EXAMPLES[name]:
        words = shlex.split(example.partition(" >")[0])
        assert words.pop(0) == name
        COMMANDS[name].make_context(name, words)


def test_help_is_plain_and_fits_a_terminal_of_80_columns(outbox):
    for arguments in ([], *([name] for name in COMMANDS)):
        said = outbox(*arguments, "--help", COLUMNS="80", FORCE_COLOR="1").stdout
        assert "\x1b" not in said
        assert max(map(len, said.splitlines())) <= 80
        assert "...\n" not in said.partition("\n")[2]


def test_a_commands_own_options_come_before_those_all_share(outbox):
    said = outbox("run", "--help").stdout
    order = [said.index(one) for one in ("--to", "--json", "--root", "Examples:", "Exit codes:")]
    assert order == sorted(order)
    assert "--api-key-file" in outbox("serve", "--help").stdout.partition("Examples:")[0]


def test_the_shell_completes_the_jobs_of_this_machine(tmp_path, root, monkeypatch):
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path))
    assert known_jobs("") == []
    for job in ("march", "march 2/3", "april"):
        with Journal.opened(tmp_path, job=job, root=root, create=True):
            pass
    assert known_jobs("") == ["april", "march", "march 2/3"]
    assert known_jobs("mar") == ["march", "march 2/3"]


def test_completion_goes_through_the_command_line(outbox, documents, job):
    outbox("submit", documents, "--job", job)
    shell = {
        "_ROOT_COMPLETE": "complete_bash",
        "COMP_WORDS": "outbox wait job-",
        "COMP_CWORD": "2",
    }
    assert job in outbox(**shell).stdout


def test_it_says_its_version(outbox):
    assert outbox("--version").stdout == f"outbox {version('truss-outbox')}\n"
