"""A request's three steps, without a server."""

import base64
import dataclasses
import gc
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from fastapi import HTTPException
from prometheus_client import REGISTRY
from pydantic import BaseModel

from tests.asking_outbox import answer, metadata, predict
from truss_outbox import InferenceRequest
from truss_outbox.contract.errors import (
    AccessDeniedError,
    DocumentUnavailableError,
    InvalidInputError,
)
from truss_outbox.contract.manifest import MAX_MANIFEST_BYTES, Failure, Outputs
from truss_outbox.serving.request import parse
from truss_outbox.stores.commit import find_manifest
from truss_outbox.stores.memory import MemoryStore

SECRET_WORD = "xylophone"


def failures(store):
    keys = [key for key in store.all_keys() if key.startswith("failures/")]
    return [Failure.from_bytes(store.get(key)) for key in keys]


def counter(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


def test_a_result_is_stored_under_its_metadata(outbox, store):
    manifest = answer(outbox, metadata(text="two words"))
    assert manifest == find_manifest(store, "job=J/I")
    assert (manifest.job, manifest.item, manifest.request_id) == ("J", "I", "r1")
    assert manifest.result == {"words": 2}
    assert manifest.timings_ms.predict is not None
    assert store.get(f"artifacts/job=J/I/{manifest.attempt}/words.txt") == b"two\nwords"


def test_a_request_without_metadata_is_stored_under_its_id(outbox, store):
    answer(outbox, {"text": "a"}, request_id="abc")
    assert find_manifest(store, "job=adhoc/abc").item == "abc"


def test_a_manifest_says_that_it_may_be_overwritten_only_where_it_may(outbox, store):
    answer(outbox, metadata(text="a"))
    assert b"unsafe_commit" not in store.get("manifests/job=J/I.json")
    answer(dataclasses.replace(outbox, unsafe_commit=True), metadata("K", text="a"))
    assert find_manifest(store, "job=J/K").unsafe_commit
    assert b'"unsafe_commit": true' in store.get("manifests/job=J/K.json")


def test_the_pointer_says_where_everything_is(outbox):
    manifest = answer(outbox, metadata(text="a"))
    pointer = outbox.pointer(manifest)
    assert list(pointer) == ["request_id", "key", "manifest", "artifacts", "result"]
    assert pointer["manifest"] == "memory://test/manifests/job=J/I.json"
    assert pointer["artifacts"][0]["uri"].startswith("memory://test/artifacts/job=J/I/")


def test_the_same_request_again_is_answered_without_inference(outbox, store):
    first = answer(outbox, metadata(text="a"))
    skipped = counter("outbox_inferences_skipped_total")
    assert outbox.begin(metadata(text="a"), request_id="r2").manifest == first
    assert counter("outbox_inferences_skipped_total") == skipped + 1


def test_the_same_key_with_another_input_is_a_conflict(outbox, store):
    first = answer(outbox, metadata(text="a"))
    with pytest.raises(HTTPException) as caught:
        outbox.begin(metadata(text="b"), request_id="r2")
    assert caught.value.status_code == 409
    assert find_manifest(store, "job=J/I") == first
    assert [f.code for f in failures(store)] == ["KEY_CONFLICT"]


def test_a_new_model_version_does_not_overwrite_the_old_ones_result(make_outbox):
    answer(make_outbox(version="1"), metadata(text="a"))
    with pytest.raises(HTTPException) as caught:
        make_outbox(version="2").begin(metadata(text="a"), request_id="r2")
    assert caught.value.status_code == 409


def test_of_two_executions_at_once_one_wins_and_both_return_it(outbox, store):
    both = [outbox.begin(metadata(text="a"), request_id=r) for r in ("r1", "r2")]
    with ThreadPoolExecutor(2) as pool:
        results = [f.result() for f in list(pool.map(partial(predict, outbox), both))]
    assert results[0] == results[1] == find_manifest(store, "job=J/I")
    attempts = {key.split("/")[3] for key in store.all_keys() if key.startswith("artifacts/")}
    assert attempts == {results[0].attempt}


def test_two_different_inputs_at_once_give_one_result_and_one_conflict(outbox, store):
    both = [outbox.begin(metadata(text=t), request_id=t) for t in ("a", "b")]
    outcomes = [predict(outbox, work) for work in both]
    errors = [f.exception() for f in outcomes]
    assert sorted(e.status_code for e in errors if e) == [409]
    assert len({key.split("/")[3] for key in store.all_keys() if key.startswith("artifacts/")}) == 1


def test_the_work_directory_is_gone_after_success(outbox):
    work = outbox.begin(metadata(text="a"), request_id="r")
    directory = work.directory
    predict(outbox, work).result()
    assert not directory.exists()


@pytest.mark.parametrize("error", ["input", "inference"])
def test_the_work_directory_is_gone_after_a_failure(outbox, error):
    work = outbox.begin(metadata(text="a", error=error), request_id="r")
    directory = work.directory
    with pytest.raises(HTTPException):
        predict(outbox, work)
    assert not directory.exists()


def test_the_work_directory_is_gone_when_the_caller_left_before_predict(outbox):
    work = outbox.begin(metadata(text="a"), request_id="r")
    directory = work.directory
    assert directory.exists()
    del work
    gc.collect()
    assert not directory.exists()


def test_an_inference_error_is_recorded_and_worth_repeating(outbox, store, caplog):
    with pytest.raises(HTTPException) as caught:
        answer(outbox, metadata(text=SECRET_WORD, error="inference"))
    assert caught.value.status_code == 500
    assert caught.value.__suppress_context__
    (failure,) = failures(store)
    assert (failure.code, failure.retryable) == ("INFERENCE_ERROR", True)
    assert failure.key == "job=J/I"
    assert failure.traceback_digest in [r.__dict__.get("traceback_digest") for r in caplog.records]
    assert "tiny_inference" in str([r.__dict__.get("frames") for r in caplog.records])


def test_an_inference_error_is_quoted_in_the_models_log_alone(outbox, store, caplog):
    with pytest.raises(HTTPException) as caught:
        answer(outbox, metadata(text=SECRET_WORD, error="inference"))
    assert f"RuntimeError: could not count {SECRET_WORD} (run in tiny_inference/" in caplog.text
    (failure,) = failures(store)
    assert SECRET_WORD not in f"{caught.value.detail}{failure}"
    assert f"traceback_digest {failure.traceback_digest})" in caplog.text


def test_no_record_log_or_answer_quotes_the_input(outbox, store, caplog):
    bad = [
        metadata(text=SECRET_WORD, error="input"),
        metadata(text=[SECRET_WORD]),
        metadata(document={"base64": SECRET_WORD + "!"}),
    ]
    answers = []
    for number, model_input in enumerate(bad):
        with pytest.raises(HTTPException) as caught:
            answer(outbox, model_input, request_id=f"r{number}")
        answers.append(str(caught.value.detail))
    everything = str(answers) + str([f.to_bytes() for f in failures(store)]) + caplog.text
    everything += str([record.__dict__ for record in caplog.records])
    assert SECRET_WORD not in everything
    assert len(failures(store)) == len(bad)


@pytest.mark.parametrize(
    ("model_input", "field"),
    [
        ([], "model_input"),
        ("text", "model_input"),
        ({"txt": "a"}, "model_input"),
        ({"text": 5}, "text"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"job": 5}}, "metadata.job"),
        ({"metadata": {"item": None, "itm": "x"}}, "metadata"),
        ({"metadata": {"labels": {"a": 1}}}, "metadata.labels"),
        ({"metadata": {"item": "\ud800"}}, "metadata.item"),
        ({"metadata": {"item": "é" * 32_769}}, "metadata.item"),
        ({"metadata": {"job": "x" * 65_537}}, "metadata.job"),
        ({"metadata": {"labels": {f"{n}": "x" * 1000 for n in range(66)}}}, "metadata.labels"),
        ({"text": "a", "error": "input"}, "text"),
        ({"document": {}}, "document"),
        ({"document": {"base64": "YQ==", "input": "inputs/a"}}, "document"),
        ({"document": {"base64": "YQ==", "url": "https://a.example/"}}, "document"),
        ({"document": {"base64": "YQ==", "sha256": "0" * 64}}, "document.base64"),
        ({"document": {"base64": ""}}, "document.base64"),
        ({"document": {"base64": "%%%"}}, "document.base64"),
        ({"document": {"base64": "data:text/plain;base64,YQ=="}}, "document.base64"),
        ({"document": {"base64": "YWFh" * 400}}, "document.base64"),
        ({"document": {"input": ""}}, "document.input"),
        ({"document": {"input": "inputs/missing"}}, "document.input"),
        ({"document": {"input": "../other/secret"}}, "document.input"),
        ({"document": {"input": "/etc/passwd"}}, "document.input"),
        ({"document": {"input": "a/./b"}}, "document.input"),
        ({"document": {"input": "a\\b"}}, "document.input"),
        ({"document": {"input": "memory://elsewhere/a"}}, "document.input"),
        ({"document": {"input": "memory://test"}}, "document.input"),
        ({"document": {"input": "inputs/big"}}, "document.input"),
        ({"document": {"input": "inputs/hello", "sha256": "0" * 64}}, "document.input"),
        ({"document": {"input": "inputs/" + "0" * 64}}, "document.input"),
        ({"document": {"input": "inputs/hello", "sha256": "zz"}}, "document.sha256"),
    ],
)
def test_bad_input_names_its_field_is_recorded_and_stores_nothing(
    outbox, store, model_input, field
):
    store.create("inputs/hello", b"hello", content_type="")
    store.create("inputs/big", b"x" * 1001, content_type="")
    store.create("inputs/" + "0" * 64, b"other bytes", content_type="")
    with pytest.raises(HTTPException) as caught:
        answer(outbox, model_input)
    assert caught.value.status_code == 422
    assert caught.value.detail.startswith(f"INVALID_INPUT: {field}: ")
    (failure,) = failures(store)
    assert (failure.code, failure.retryable, failure.request_id) == ("INVALID_INPUT", False, "r1")
    assert not [key for key in store.all_keys() if key.startswith(("artifacts/", "manifests/"))]


class Cell(BaseModel):
    text: str


class Page(InferenceRequest):
    number: int = 0
    cells: list[Cell] | None = None
    by_name: dict[str, Cell] | None = None
    either: Cell | int = 0


class Book(InferenceRequest):
    pages: list[Page] | None = None


UNKNOWN = "has an unknown field; remove it or check its spelling: there are"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"\x1b[2J": 1}, f"model_input: {UNKNOWN} pages"),
        ({"pages": [{}, {"\x1b[2J": 1}]}, f"pages.1: {UNKNOWN} number, cells, by_name, either"),
        ({"pages": [{"number": "secret"}]}, "pages.0.number: Input should be a valid integer"),
        ({"pages": [{"cells": [{}]}]}, "pages.0.cells.0.text: is required"),
        (
            {"pages": [{"by_name": {"\x1b[2J": {"text": 5}}}]},
            "pages.0.by_name: Input should be a valid string",
        ),
        (
            {"pages": [{"either": {"text": 5}}]},
            "pages.0.either.text: Input should be a valid string (and 1 more)",
        ),
    ],
)
def test_only_names_that_the_model_declares_are_repeated(value, said):
    with pytest.raises(InvalidInputError) as caught:
        parse(Book, value)
    assert str(caught.value) == said


def test_nothing_that_a_caller_chose_is_raw_in_a_log_an_answer_or_a_record(outbox, store, caplog):
    odd = "\x1b[2J\u202e\r\nforged"
    requests = (
        {odd: odd},
        {"metadata": {odd: odd}},
        {"metadata": {"job": odd, "item": odd, "labels": {odd: 5}}},
        metadata(odd, document={"input": odd}),
        metadata(odd, document={"url": f"https://{odd}/"}),
    )
    for model_input in requests:
        with pytest.raises(HTTPException) as caught:
            answer(outbox, model_input, request_id=odd)
        assert caught.value.detail.isprintable()
    for record in caplog.records:
        logged = (record.getMessage(), *(str(value) for value in vars(record).values()))
        assert not [text for text in logged if "\x1b" in text or "\u202e" in text]
    assert all(
        one.message.isprintable() and one.request_id.isprintable() for one in failures(store)
    )


def test_a_failure_whose_key_cannot_be_made_lies_among_its_jobs(outbox, store):
    for model_input in ({"metadata": {"job": "J", "item": 5}}, metadata(item="\ud800")):
        with pytest.raises(HTTPException):
            answer(outbox, model_input, request_id="r1")
    assert {f.key for f in failures(store)} == {"job=J/r1"}


@pytest.mark.parametrize("job", [5, "\ud800", None])
def test_a_failure_whose_job_is_unusable_lies_among_the_others(outbox, store, job):
    with pytest.raises(HTTPException):
        answer(outbox, {"metadata": {"job": job, "item": 5}}, request_id="r/1")
    assert [f.key for f in failures(store)] == ["job=adhoc/r%2F1"]


def test_a_document_comes_from_base64_also_with_line_breaks(outbox):
    text = base64.encodebytes(b"a b " * 30).decode()
    assert answer(outbox, {"document": {"base64": text}}).result == {"words": 60}


@pytest.mark.parametrize("address", ["inputs/hello", "memory://test/inputs/hello"])
def test_a_document_comes_from_the_bucket(outbox, store, address):
    store.create("inputs/hello", b"hello you", content_type="")
    sha256 = hashlib.sha256(b"hello you").hexdigest()
    model_input = {"document": {"input": address, "sha256": sha256}}
    assert answer(outbox, model_input).result == {"words": 2}


def test_a_claim_checked_document_is_compared_with_its_name(outbox, store):
    key = "inputs/" + hashlib.sha256(b"one two").hexdigest()
    store.create(key, b"one two", content_type="")
    assert answer(outbox, {"document": {"input": key}}).result == {"words": 2}


@dataclasses.dataclass
class Host:
    """In a downloader's place: gives `content`, or raises it."""

    content: bytes | Exception

    def download(self, url, path, *, max_bytes):
        if isinstance(self.content, Exception):
            raise self.content
        path.write_bytes(self.content)
        return hashlib.sha256(self.content).hexdigest()


ADDRESS = f"https://files.example.com/a?X-Signature={SECRET_WORD}"


def test_a_document_comes_from_an_address(make_outbox):
    outbox = make_outbox(downloader=Host(b"from far away"))
    sha256 = hashlib.sha256(b"from far away").hexdigest()
    assert answer(outbox, {"document": {"url": ADDRESS, "sha256": sha256}}).result == {"words": 3}


@pytest.mark.parametrize(
    ("content", "sha256"), [(b"", None), (b"other", "0" * 64)], ids=["empty", "wrong hash"]
)
def test_what_comes_from_an_address_is_checked(make_outbox, store, content, sha256):
    outbox = make_outbox(downloader=Host(content))
    with pytest.raises(HTTPException) as caught:
        answer(outbox, {"document": {"url": ADDRESS, "sha256": sha256}})
    assert caught.value.status_code == 422
    assert caught.value.detail.startswith("INVALID_INPUT: document.url: ")
    assert SECRET_WORD not in str([f.to_bytes() for f in failures(store)])


def test_an_address_is_refused_unless_hosts_are_allowed(outbox):
    with pytest.raises(HTTPException, match="url_hosts is not set") as caught:
        answer(outbox, {"document": {"url": ADDRESS}})
    assert caught.value.status_code == 422


def test_an_address_that_does_not_deliver_is_503_and_worth_repeating(make_outbox, store):
    error = DocumentUnavailableError("url", "its host answered 503")
    with pytest.raises(HTTPException) as caught:
        answer(make_outbox(downloader=Host(error)), {"document": {"url": ADDRESS}})
    assert caught.value.status_code == 503
    (failure,) = failures(store)
    assert (failure.code, failure.retryable) == ("DOCUMENT_UNAVAILABLE", True)


class HungStore(MemoryStore):
    """While the first artifact is sent, the model hangs for three hours and somebody sweeps."""

    now = 0.0

    def put_file(self, key, path, *, content_type):
        digest = super().put_file(key, path, content_type=content_type)
        if not self.now:
            self.now = 3 * 3600.0
            self.delete(key)
        return digest


def test_a_request_whose_artifacts_were_swept_meanwhile_is_to_be_repeated(make_outbox):
    store = HungStore()
    outbox = dataclasses.replace(make_outbox(store), clock=lambda: store.now)
    with pytest.raises(HTTPException) as caught:
        answer(outbox, metadata(text="a"))
    assert caught.value.status_code == 503
    assert [(one.code, one.retryable) for one in failures(store)] == [("STORE_UNAVAILABLE", True)]
    assert find_manifest(store, "job=J/I") is None

    repeated = answer(outbox, metadata(text="a"))

    assert find_manifest(store, "job=J/I") == repeated
    assert store.get(f"artifacts/job=J/I/{repeated.attempt}/words.txt") == b"a"


class RefusingStore(MemoryStore):
    """Refuses what begins with `prefix`."""

    prefix = "artifacts/"

    def put_file(self, key, path, *, content_type):
        self.refuse(key)
        return super().put_file(key, path, content_type=content_type)

    def create(self, key, data, *, content_type):
        self.refuse(key)
        super().create(key, data, content_type=content_type)

    def get(self, key):
        self.refuse(key)
        return super().get(key)

    def refuse(self, key):
        if key.startswith(self.prefix):
            raise AccessDeniedError(key, "no")


@pytest.mark.parametrize("prefix", ["artifacts/", "manifests/"])
def test_a_bucket_error_is_503_and_recorded(make_outbox, prefix):
    store = RefusingStore()
    store.prefix = prefix
    with pytest.raises(HTTPException) as caught:
        answer(make_outbox(store), metadata(text="a"))
    assert caught.value.status_code == 503
    store.prefix = "none"
    assert [f.code for f in failures(store)] == ["STORE_ACCESS_DENIED"]
    assert not [key for key in store.all_keys() if key.startswith("artifacts/")]


def test_a_failure_that_cannot_be_recorded_is_answered_all_the_same(make_outbox, caplog):
    store = RefusingStore()
    store.prefix = ""
    with pytest.raises(HTTPException) as caught:
        answer(make_outbox(store), metadata(text=5))
    assert caught.value.status_code == 422
    assert "could not be recorded" in caplog.text


class HangingStore(MemoryStore):
    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    def put_file(self, key, path, *, content_type):
        assert self.released.wait(10)
        return super().put_file(key, path, content_type=content_type)


def test_no_more_than_the_configured_number_of_results_wait_for_the_bucket(make_outbox):
    store = HangingStore()
    outbox = make_outbox(store, max_pending_results=2)
    works = [outbox.begin(metadata(item=i, text=i), request_id=i) for i in "abc"]
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(predict, outbox, work) for work in works[:2]]
        waiting = [run.result(timeout=10) for run in runs]
        third = pool.submit(predict, outbox, works[2])
        with pytest.raises(TimeoutError):
            third.result(timeout=0.2)
        assert counter("outbox_pending_results") == 2
        store.released.set()
        assert third.result(timeout=10).result().item == "c"
    assert [future.result().item for future in waiting] == ["a", "b"]


def test_what_is_stored_is_counted(outbox):
    before = [counter("outbox_results_stored_total"), counter("outbox_artifact_bytes_total")]
    answer(outbox, metadata(text="abc"))
    after = [counter("outbox_results_stored_total"), counter("outbox_artifact_bytes_total")]
    assert (after[0] - before[0], after[1] - before[1]) == (1, 6)


def test_failures_are_counted_by_code(outbox):
    before = counter("outbox_failures_total", code="INVALID_INPUT")
    with pytest.raises(HTTPException):
        answer(outbox, {"unknown": 1})
    assert counter("outbox_failures_total", code="INVALID_INPUT") == before + 1


def files(directory, *names):
    """A file of one byte for each artifact."""
    (directory / "file").write_text("x")
    return Outputs(files=dict.fromkeys(names, directory / "file"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: Outputs(files={"a": Path("missing")}), "there is no file for the artifact 'a'"),
        (lambda place: files(place, "a.txt", "A.TXT"), "the name is taken"),
        (lambda place: files(place, "a", "a/b"), "is the folder of"),
        (lambda place: files(place, "../a"), "cannot be an artifact's name"),
        (lambda place: files(place, "Manifest.json"), "cannot be an artifact's name"),
    ],
)
def test_outputs_that_cannot_be_stored_are_named_recorded_and_not_repeated(
    outbox, store, make, said
):
    with pytest.raises(HTTPException, match=said) as caught:
        answer(outbox, metadata(text="a"), run=lambda _, directory: make(directory))
    assert caught.value.status_code == 422
    (failure,) = failures(store)
    assert (failure.code, failure.retryable) == ("INVALID_OUTPUTS", False)
    assert said in failure.message
    assert failure.traceback_digest is None
    assert not [key for key in store.all_keys() if key.startswith(("artifacts/", "manifests/"))]


def test_a_manifest_that_no_reader_would_take_is_not_committed(outbox, store, monkeypatch):
    monkeypatch.setattr("truss_outbox.contract.manifest.MAX_MANIFEST_BYTES", 2000)
    small = [f"name-{number}.txt" for number in range(20)]
    with pytest.raises(HTTPException, match="return less, or put it into a file"):
        answer(outbox, metadata(text="a"), run=lambda _, directory: files(directory, *small))
    (failure,) = failures(store)
    assert (failure.code, failure.retryable) == ("INVALID_OUTPUTS", False)
    assert [key.split("/")[0] for key in store.all_keys()] == ["failures"]


def test_an_error_that_an_inference_words_at_length_still_makes_a_readable_record(outbox, store):
    def fail(*_):
        raise InvalidInputError("text", "x" * MAX_MANIFEST_BYTES)

    with pytest.raises(HTTPException):
        answer(outbox, metadata(text="a"), run=fail)
    (failure,) = failures(store)
    assert failure.message.startswith("text: xxx")


def test_what_baseten_appends_to_a_requests_id_is_not_part_of_it(outbox, store):
    assert answer(outbox, {"text": "a"}, request_id="abc:1").request_id == "abc"


def test_a_request_without_an_id_gets_one_of_its_own(outbox):
    first, second = (answer(outbox, {"text": "a"}, request_id=none) for none in (None, ""))
    assert first.request_id != second.request_id
    assert first.item == first.request_id
