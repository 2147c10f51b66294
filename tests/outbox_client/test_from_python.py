"""The companion's page has a program, which runs as it is."""

from tests.documentation.pages import block
from tests.outbox_client.http_service import API_KEY


def test_submit_wait_and_fetch_are_functions(
    root, bucket_environment, base_url, documents, tmp_path, monkeypatch, capsys
):
    documents.rename(tmp_path / "scans")
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "OUTBOX_ROOT": root,
        "OUTBOX_HOME": str(tmp_path / "home"),
        "OUTBOX_BASE_URL": base_url,
        "BASETEN_API_KEY": API_KEY,
    }.items():
        monkeypatch.setenv(name, value)
    exec(compile(block("python", "find_items"), "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["a.txt succeeded ", "b.txt succeeded ", "more/c.txt succeeded "]
    assert [line.strip() for line in lines[3:]] == [
        "results/a.txt",
        "results/b.txt",
        "results/more%2Fc.txt",
    ]
    assert (tmp_path / "results" / "b.txt" / "copy.bin").read_bytes() == b"beta"
