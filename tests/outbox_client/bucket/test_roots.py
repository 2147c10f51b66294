"""A root is read by one rule: for the library and the companion, and for every command."""

import pytest
import typer

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.commands.app import app
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import MAX_PREFIX_BYTES
from truss_outbox.stores import S3Options, open_store

GOOD = [
    "s3://bucket",
    "s3://bucket/",
    "S3://bucket/prefix/",
    f"s3://bucket/{'x' * MAX_PREFIX_BYTES}",
    "s3://bucket/a%20b",
]
BAD = {
    "dots": "s3://b/a/../c",
    "long": f"s3://b/{'x' * (MAX_PREFIX_BYTES + 1)}",
    "no bucket": "s3://",
    "query": "s3://b/p?versioned",
    "fragment": "s3://b/p#1",
    "empty segment": "s3://b//p",
    "scheme": "ftp://b/p",
    "none": "b/p",
    "host": "file://host/p",
    "root directory": "file:///",
    "directory bucket": "s3://b--use1-az4--x-s3/p",
    "backslash": "s3://b/a\\b",
    "control": "s3://b/\x1b[2J",
}
ARGUMENTS = {
    "cancel": ["J"],
    "delete": ["J"],
    "doctor": [],
    "fetch": ["J", "--to", "out"],
    "follow": ["--queue", "sqs://name"],
    "index": ["J"],
    "policy": ["--for", "reader"],
    "presign": ["J"],
    "report": ["J"],
    "resume": ["J"],
    "retry": ["J"],
    "run": ["a.txt", "--job", "J", "--to", "out"],
    "status": ["J"],
    "submit": ["a.txt", "--job", "J"],
    "sweep": [],
    "wait": ["J"],
}
"""Of every command that takes --root; `jobs` lists what was sent from here, to any root;
`add` and `new` write it into a Truss, which their own tests are about."""


def said(opening) -> tuple[str | None, str | None]:
    """The root that was opened, or why it was not."""
    try:
        return opening().root, None
    except ConfigurationError as error:
        return None, str(error)


@pytest.mark.parametrize("root", [*GOOD, *BAD.values(), "file://{}/a b"])
def test_the_library_and_the_companion_read_a_root_alike(root, tmp_path, bucket_environment):
    root, url = root.format(tmp_path), "http://127.0.0.1:9"
    library = said(lambda: open_store(root, s3=S3Options(endpoint_url=url, region="us-east-1")))
    assert said(lambda: open_bucket(root, endpoint_url=url)) == library
    assert (library[1] is None) == (root not in BAD.values())


def test_the_memory_of_a_model_cannot_be_read_from_here():
    with pytest.raises(ConfigurationError, match=r"root: memory:// .* process"):
        open_bucket("memory://name")


def test_a_directory_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"root: .*/file/x: Not a directory"):
        open_bucket(f"file://{tmp_path}/file/x")


def test_every_command_that_takes_a_root_is_asked():
    commands = typer.main.get_command(app).commands
    takes = {name for name, one in commands.items() if "root" in {p.name for p in one.params}}
    assert takes - {"add", "jobs", "new"} == set(ARGUMENTS)


SLOW = pytest.mark.slow
# In the quick suite every command with one of them, and every one of them with one command.
PAIRS = [
    pytest.param(command, name, marks=() if name == "query" or command == "status" else SLOW)
    for command in ARGUMENTS
    for name in ("dots", "long", "no bucket", "query", "control")
]


@pytest.mark.parametrize(("command", "name"), PAIRS)
def test_a_bad_root_is_one_line_that_names_it(command, name, outbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"alpha")

    result = outbox(command, *ARGUMENTS[command], "--root", BAD[name])

    if command == "doctor":  # what is wrong is a finding there, among others
        assert result.exit_code == 1
        (line,) = [one for one in result.stdout.splitlines() if one.startswith("wrong    config")]
    else:
        assert (result.exit_code, result.stdout) == (3, "")
        (line,) = result.stderr.splitlines()
    assert "root: " in line
    assert "\x1b" not in line
    assert not (tmp_path / "out").exists()
