"""The table of what works on which server."""

import pytest

from scripts.bench.store.interop import OPERATIONS, measure


@pytest.mark.slow
def test_every_operation_works_on_seaweedfs_and_what_moto_does_is_told():
    head, *rows = measure("SeaweedFS", "moto").splitlines()
    assert head.split() == list(OPERATIONS)
    assert rows[0].split() == ["SeaweedFS", *["ok"] * len(OPERATIONS)]
    assert rows[1].split()[0] == "moto"


def test_a_server_that_is_not_here_is_named_with_where_it_is_to_be_had(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    said = measure("s3rver")
    assert "s3rver, start: no program s3rver: npm install s3rver" in said
    assert "REFUSED" not in said
