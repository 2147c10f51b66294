"""Where a request's document may lie."""

import dataclasses

import fastapi
import pytest

from tests.asking_outbox import answer, metadata
from truss_outbox.stores.memory import MemoryStore


@pytest.fixture
def archive(tmp_path):
    """A further place, with one document in it."""
    archive = MemoryStore("memory://archive/scans")
    archive.create("2024/a.txt", b"from the archive", content_type="text/plain")
    return archive


def result_of(outbox, address):
    return answer(outbox, metadata(document={"input": address}))


def test_a_document_may_lie_in_a_further_place_by_its_full_address(make_outbox, store, archive):
    outbox = dataclasses.replace(make_outbox(), input_stores=(archive,))
    assert result_of(outbox, f"{archive.root}/2024/a.txt").result == {"words": 3}


@pytest.mark.parametrize(
    "address",
    [
        "memory://archive/scans/../secret",
        "memory://archive/scansecret/a.txt",
        "memory://archive/other/a.txt",
        "memory://archive/scans//a.txt",
    ],
)
def test_no_address_leaves_the_places_that_are_named(make_outbox, archive, address):
    outbox = dataclasses.replace(make_outbox(), input_stores=(archive,))
    with pytest.raises(fastapi.HTTPException) as caught:
        result_of(outbox, address)
    assert caught.value.status_code == 422


def test_a_further_place_that_is_not_named_is_not_read(make_outbox, archive):
    with pytest.raises(fastapi.HTTPException) as caught:
        result_of(make_outbox(), f"{archive.root}/2024/a.txt")
    assert caught.value.status_code == 422


def test_a_tenant_in_the_key_template_keeps_tenants_apart(make_outbox):
    """What one sends under another's job and item gives neither its result nor a conflict."""
    outbox = make_outbox(template="tenant={labels.tenant}/job={job}/{item}")

    def send(document, **labels):
        request = {"metadata": {"job": "J", "item": "I", "labels": labels}}
        return answer(outbox, {**request, "document": {"base64": document}}).result

    assert send("YSBiIGM=", tenant="a") == {"words": 3}
    assert send("YQ==", tenant="b") == {"words": 1}
    with pytest.raises(fastapi.HTTPException) as caught:
        send("YQ==")
    assert "metadata.labels.tenant" in caught.value.detail
