"""No document text, payload or password in what the OCR model says outside its artifacts."""

import base64

import httpx
import pytest

from tests.canaries import found, said, seed
from tests.end_to_end.asking import model_metrics
from tests.tiny_truss import PROJECT

PASSWORD = seed("password of a document")
READ = "document.json", "text.txt", "lines.csv", "searchable.pdf"


@pytest.mark.slow
def test_the_ocr_model_tells_nobody_what_it_reads(ocr, job):
    """A line of the photo is in its artifacts and in nothing else; a password is nowhere."""
    document = (PROJECT / "data" / "examples" / "photo.png").read_bytes()
    line = (PROJECT / "data" / "examples" / "truth" / "photo.txt").read_text().splitlines()[0]
    good = {"document": {"base64": base64.b64encode(document).decode()}, "artifacts": READ}
    cut = {"document": {"base64": base64.b64encode(document[: len(document) // 2]).decode()}}
    headers = {"Authorization": f"Api-Key {ocr.api_key}"}
    bad = {"cut": cut, "password": good | {"password": PASSWORD, "pages": "9"}}
    with httpx.Client(base_url=ocr.base_url, headers=headers, timeout=60) as api:
        answer = api.post("/production/predict", json=good | {"metadata": {"job": job}})
        assert answer.status_code == 200
        places = {"the good answer": answer.text}
        for name, model_input in bad.items():
            answer = api.post("/production/predict", json=model_input | {"metadata": {"job": job}})
            assert answer.status_code == 422
            places[name] = answer.text
    places |= {"the log": said(ocr.log), "the metrics": model_metrics(ocr)}
    assert "the request failed" in places["the log"]
    assert found(places) == []
    payload = good["document"]["base64"]
    for word in (line, payload[:60], payload[-60:]):
        assert [place for place, text in places.items() if word in text] == []
