"""What a command loads before it does anything: its user waits for all of it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"baseten", "botocore", "google.auth", "httpx", "jinja2", "pyarrow", "rich"}


def loaded_by(*command: str) -> set[str]:
    """The modules of the command's process when it has shown its help."""
    return modules_after(
        "from outbox_client.commands.app import app",
        f"app({[*command, '--help']}, standalone_mode=False)",
    )


def modules_after(*lines: str, **variables: str) -> set[str]:
    """Those of a process that has run these lines."""
    program = "\n".join((*lines, "import sys", "sys.stderr.write(' '.join(sys.modules))"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("command", ["fetch", "status", "submit"])
def test_a_command_loads_no_library_that_it_may_not_need(command):
    assert not loaded_by(command) & HEAVY


def test_fetch_loads_what_reads_the_bucket_alone():
    loaded = loaded_by("fetch")
    assert not loaded & {"ssl", "urllib.request", "truss_outbox.stores.gcs.options"}
    folders = {name.split(".")[1] for name in loaded if name.startswith("outbox_client.")}
    assert not folders & {"following", "queues", "sending", "service", "sources", "submissions"}
    assert not loaded & {"outbox_client.journal.journal", "outbox_client.journal.entries"}


def test_inputs_are_uploaded_without_what_checks_records():
    loaded = modules_after(
        "from outbox_client.bucket.open_bucket import open_bucket",
        "from outbox_client.sending.large_inputs import stage_file",
        "open_bucket('s3://bucket', endpoint_url='http://127.0.0.1:1', region='us-east-1')",
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
    )
    assert not {"pydantic", "truss_outbox.contract.manifest"} & loaded


def test_the_list_of_commands_loads_none_of_them():
    loaded = loaded_by()
    assert not loaded & {*HEAVY, "obstore", "pydantic", "truss_outbox", "yaml"}
    assert {name for name in loaded if name.startswith("outbox_client.")} == {
        "outbox_client.commands",
        "outbox_client.commands.app",
        "outbox_client.commands.command_help",
        "outbox_client.commands.exit_codes",
        "outbox_client.loading",
    }


def test_every_public_name_is_there_and_loads_no_more_than_it_needs():
    program = (
        "import sys, outbox_client as client\n"
        "before = set(sys.modules)\n"
        "for name in client.__all__: getattr(client, name)\n"
        "sys.stdout.write(str('outbox_client.sending.submit' in before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"False")


def test_type_checkers_see_the_public_names():
    import outbox_client

    tree = ast.parse(Path(outbox_client.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname for statement in block.body for alias in statement.names}
    assert seen == set(outbox_client.__all__)


def test_a_name_that_is_not_there_is_said_as_python_says_it():
    import outbox_client

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = outbox_client.nothing


def test_ctrl_c_while_a_command_loads_is_no_traceback():
    program = (
        "import sys\n"
        "from outbox_client.__main__ import main\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'outbox_client.commands.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
