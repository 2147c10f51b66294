"""Documents that cannot be read, sent as any client would, to the project's own model."""

import base64
import io
import struct
import zlib
from typing import Any

import boto3
import httpx
import psutil
import pypdfium2
import pytest

from tests.end_to_end.asking import final_status
from tests.end_to_end.reading import Bucket
from tests.ocr import hostile
from tests.ocr.inference.conftest import encoded
from tests.tiny_truss import PROJECT
from truss_outbox.contract.manifest import Failure

EXAMPLES = PROJECT / "data" / "examples"
PASSWORD = "not-to-be-repeated"


@pytest.fixture(scope="module")
def api(ocr):
    headers = {"Authorization": f"Api-Key {ocr.api_key}"}
    with httpx.Client(base_url=ocr.base_url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def bucket(ocr):
    client = boto3.client(
        "s3",
        endpoint_url=ocr.environment["OUTBOX_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=ocr.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ocr.environment["AWS_SECRET_ACCESS_KEY"],
    )
    client.put_object(Bucket="outbox", Key="inputs/" + "0" * 64, Body=b"not what its name says")
    yield Bucket(client, "outbox", "")
    client.close()


def document(content: bytes, **fields: Any) -> dict[str, Any]:
    return {"document": {"base64": base64.b64encode(content).decode()}} | fields


def photo(**fields: Any) -> dict[str, Any]:
    return document((EXAMPLES / "photo.png").read_bytes(), **fields)


def minutes(**fields: Any) -> dict[str, Any]:
    return document((EXAMPLES / "minutes.pdf").read_bytes(), **fields)


def locked_pdf() -> bytes:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="user")
    pdf.add_page()
    return bytes(pdf.output())


def huge_page() -> bytes:
    file = io.BytesIO()
    with pypdfium2.PdfDocument.new() as pdf:
        pdf.new_page(200 * 72, 200 * 72)
        pdf.save(file)
    return file.getvalue()


def huge_image() -> bytes:
    """A black PNG of one bit per pixel, in parts: an image of it would take 900 MB."""
    packed = zlib.compressobj(9)
    rows = bytes(1 + 30_000 // 8) * 300
    pixels = b"".join(packed.compress(rows) for _ in range(100)) + packed.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


HOSTILE = {
    "image stretched 48 times": hostile.stretched_tiff(),
    "PDF that takes memory": hostile.nested_forms(),
    "PDF that takes time": hostile.pictures_in_groups(),
    "frames of one picture": hostile.frames_of_one_picture(200),
}

BAD = {
    **{name: (document(content), "document") for name, content in HOSTILE.items()},
    "empty file": (document(b""), "document.base64"),
    "not a document": (document(b"Dear Sir or Madam"), "document"),
    "an old Word document": (
        document(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le")),
        "document",
    ),
    "truncated PDF": (document((EXAMPLES / "minutes.pdf").read_bytes()[:20_000]), "document"),
    "wrong password": (document(locked_pdf(), password=PASSWORD), "password"),
    "pages outside": (minutes(pages="2-9"), "pages"),
    "pages malformed": (minutes(pages="all"), "pages"),
    "page of 200 inches": (document(huge_page()), "document"),
    "image of 30,000 pixels": (document(huge_image()), "document"),
    "unknown artifact": (photo(artifacts=["audio.mp3"]), "artifacts.0"),
    "no artifact": (photo(artifacts=[]), "artifacts"),
    "unknown field": (photo(language="en"), "model_input"),
    "no document": ({"dpi": 150}, "document"),
    "dpi out of bounds": (photo(dpi=5), "dpi"),
    "base64 garbage": ({"document": {"base64": "%%%%"}}, "document.base64"),
    "input outside the root": ({"document": {"input": "s3://other/secret"}}, "document.input"),
    "input above the root": ({"document": {"input": "../secret"}}, "document.input"),
    "input with a wrong hash": ({"document": {"input": "inputs/" + "0" * 64}}, "document.input"),
    "input that is not there": ({"document": {"input": "inputs/" + "1" * 64}}, "document.input"),
}


# The process that reads them is tried in inference/test_hostile.py.
TAKES_TIME = {"image stretched 48 times", "PDF that takes time"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in TAKES_TIME else name for name in BAD],
)
def test_bad_input_fails_once_names_its_field_and_stores_nothing(api, bucket, job, name):
    model_input, field = BAD[name]
    body = {"model_input": model_input | {"metadata": {"job": job, "item": name}}}
    answer = api.post("/production/async_predict", json=body)
    assert answer.status_code == 201, answer.text
    status = final_status(api, answer.json()["request_id"])
    assert status["status"] == "FAILED"
    assert status["errors"][0]["code"] == "MODEL_INVALID_INPUT"
    assert f"INVALID_INPUT: {field}: " in status["errors"][0]["message"]
    (key,) = bucket.keys(f"failures/job={job}/")
    failure = Failure.from_bytes(bucket.get(key))
    assert failure.message.startswith(f"{field}: ")
    assert (failure.request_id, failure.retryable) == (status["request_id"], False)
    assert bucket.keys(f"artifacts/job={job}/") == bucket.keys(f"manifests/job={job}/") == []


def server_mebibytes(local: Any) -> float:
    """Of the Truss server and the processes that open its documents."""
    server = psutil.Process(local.processes().truss_server)
    return sum(process.memory_info().rss for process in [server, *server.children()]) / (1 << 20)


@pytest.mark.slow
def test_a_hostile_document_leaves_the_server_as_it_was(ocr, api, card):
    good = document(encoded(card, "PNG"))
    assert api.post("/production/predict", json=good).status_code == 200
    idle = server_mebibytes(ocr)
    for content in (hostile.nested_forms(), hostile.stretched_tiff()):
        answer = api.post("/production/predict", json=document(content))
        assert (answer.status_code, "INVALID_INPUT" in answer.text) == (422, True)
        assert api.post("/production/predict", json=good).status_code == 200
    assert server_mebibytes(ocr) < idle + 300


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"job": 5}, "metadata.job"),
        ({"item": ["a"]}, "metadata.item"),
        ({"labels": {"a": 1}}, "metadata.labels"),
        ({"customer": "7"}, "metadata"),
    ],
)
def test_metadata_that_makes_no_key_is_refused_and_recorded(api, bucket, metadata, field):
    answer = api.post("/production/async_predict", json={"model_input": photo(metadata=metadata)})
    request_id = answer.json()["request_id"]
    assert f": {field}: " in final_status(api, request_id)["errors"][0]["message"]
    failures = bucket.keys(f"failures/job=adhoc/{request_id}/")
    assert [Failure.from_bytes(bucket.get(key)).code for key in failures] == ["INVALID_INPUT"]


def test_a_body_over_the_limit_is_refused_before_it_is_a_request(api):
    body = {"model_input": document(b"x" * 262_144)}
    answer = api.post("/production/async_predict", json=body)
    assert answer.status_code == 413
    assert "exceeds maximum size of 262144 bytes" in answer.text


def test_no_log_line_holds_a_password_or_a_payload(ocr, api):
    content = base64.b64encode(locked_pdf()).decode()
    body = {"document": {"base64": content}, "password": PASSWORD}
    assert api.post("/production/predict", json=body).status_code == 422
    log = ocr.log.read_text()
    assert "the request failed" in log
    assert PASSWORD not in log
    assert content[:40] not in log
