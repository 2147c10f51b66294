"""A command takes exactly the connection options that reach something."""

import pytest
import typer

from outbox_client import ClientSettings
from outbox_client.commands.app import HOMES, app
from outbox_client.commands.command_help import CONNECTION

SETTINGS = {
    "workers": "workers",
    "root": "root",
    "endpoint_url": "endpoint_url",
    "region": "region",
    "key_template": "template",
    "model_id": "model_id",
    "chain_id": "chain_id",
    "environment": "environment",
    "deployment": "deployment",
    "regional": "is_regional",
    "base_url": "base_url",
    "api_key_file": "api_key",
}
"""The setting that each option goes into; `config` goes into all that a bucket is reached by."""

LINES = {
    "cancel": ["JOB"],
    "delete": ["JOB"],
    "doctor": [],
    "fetch": ["JOB", "--to", "out"],
    "index": ["JOB"],
    "jobs": [],
    "policy": ["--for", "writer"],
    "presign": ["JOB"],
    "report": ["JOB"],
    "resume": ["JOB"],
    "retry": ["JOB"],
    "run": ["documents", "--job", "JOB", "--to", "out"],
    "status": ["JOB"],
    "submit": ["documents", "--job", "JOB"],
    "sweep": [],
    "wait": ["JOB"],
    "wake": [],
}


def test_no_command_that_reads_settings_is_left_out():
    assert HOMES.keys() - LINES.keys() == {"add", "follow", "new", "serve", "webhook"}


@pytest.mark.parametrize("name", LINES)
def test_every_connection_option_is_read_and_all_that_is_read_has_its_option(
    name, outbox, documents, job, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    outbox("submit", documents, "--job", job)
    read = set()

    class Recording(ClientSettings):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    monkeypatch.setattr("outbox_client.settings.ClientSettings", Recording)
    result = outbox(name, *(job if word == "JOB" else word for word in LINES[name]))
    assert result.exit_code in {0, 1}, result.output  # doctor finds that no config.yaml is here

    parameters = typer.main.get_command(app).commands[name].params
    offered = {one.name for one in parameters if getattr(one, "rich_help_panel", "") == CONNECTION}
    reached = {option for option, setting in SETTINGS.items() if setting in read}
    assert offered == (reached | {"config"} if "root" in reached else reached)


@pytest.mark.parametrize("name", ["run", "submit", "resume", "retry"])
def test_how_long_the_service_may_be_silent_is_patience(name, monkeypatch):
    monkeypatch.setenv("OUTBOX_PATIENCE", "7")
    command = typer.main.get_command(app).commands[name]
    assert command.make_context(name, [*LINES[name]]).params["give_up_after"] == 7
    context = command.make_context(name, [*LINES[name], "--patience", "9"])
    assert context.params["give_up_after"] == 9


@pytest.mark.parametrize("command", ["wait", "status", "report", "index", "fetch --to out"])
def test_a_jobs_name_that_is_not_utf8_is_told(outbox, command):
    result = outbox(*command.split(), "j\udce9")
    assert (result.exit_code, result.stderr) == (
        2,
        "outbox: JOB: is not UTF-8, as names of jobs are\n",
    )
