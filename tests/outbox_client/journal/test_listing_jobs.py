"""`outbox jobs` lists every job, whatever else lies among their journals."""

import json
import sqlite3

import pytest

from outbox_client.commands.options import known_jobs
from outbox_client.journal import queries


def other_version(path):
    with sqlite3.connect(path) as connection:
        connection.executescript(queries.CREATE)
        connection.execute(f"PRAGMA user_version = {queries.VERSION + 1}")
    connection.close()


def other_programs(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE about (job TEXT, root TEXT)")
        connection.execute(f"PRAGMA user_version = {queries.VERSION}")
    connection.close()


def unknown_state(path):
    with sqlite3.connect(path) as connection:
        connection.executescript(queries.CREATE)
        connection.execute("INSERT INTO about VALUES ('x', 's3://x', '')")
        connection.execute(
            "INSERT INTO entries (item, place, size, batch, submitted_at, attempts, state, existed)"
            " VALUES ('i', 'p', 1, 1, 0, 0, 'lost', 0)"
        )
    connection.close()


def torn(path):
    other_version(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 - 100])


DAMAGE = {
    "text": lambda path: path.write_bytes(b"no database" * 100),
    "empty": lambda path: path.touch(),
    "folder": lambda path: path.mkdir(),
    "dangling": lambda path: path.symlink_to("/nowhere/at/all"),
    "torn": torn,
    "newer": other_version,
    "foreign": other_programs,
    "state": unknown_state,
}


@pytest.fixture
def journals(outbox, documents, job, tmp_path):
    """One that is whole, and beside it one of every kind of damage."""
    assert outbox("submit", documents, "--job", job).exit_code == 0
    folder = tmp_path / "home" / "jobs"
    paths = {name: folder / f"{name}-0123456789abcdef.sqlite3" for name in DAMAGE}
    for name, damage in DAMAGE.items():
        damage(paths[name])
    (folder / "%FF%FE-0123456789abcdef.sqlite3").touch()
    return [*paths.values(), folder / "%FF%FE-0123456789abcdef.sqlite3"]


def test_a_damaged_journal_is_named_and_the_others_are_listed(outbox, journals, job):
    as_json, as_text = outbox("jobs", "--json"), outbox("jobs")

    assert (as_json.exit_code, as_text.exit_code) == (0, 0), as_text.output
    document = json.loads(as_json.stdout)
    assert [one["job"] for one in document["jobs"]] == [job]
    assert {one["path"] for one in document["damaged"]} == {str(path) for path in journals}
    assert len(as_text.stdout.splitlines()) == 1
    for path in journals:
        (line,) = [line for line in as_text.stderr.splitlines() if str(path) in line]
        assert line.startswith("passed over: ")
    assert "another version of Outbox" in as_text.stderr


@pytest.mark.usefixtures("journals")
def test_the_names_of_jobs_are_completed_beside_it(job, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTBOX_HOME", str(tmp_path / "home"))
    assert known_jobs(job[:5]) == [job]
