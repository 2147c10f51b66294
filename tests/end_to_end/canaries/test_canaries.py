"""No credential, signed address, payload or document text where it does not belong: the real Truss
server, its raw output and all it leaves behind, searched for seeded words."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_baseten.running import running_locally
from local_baseten.trusses.layout import TrussLayout, lay_out_truss
from local_baseten.trusses.process import running_truss
from tests.canaries import found, said, seed
from tests.end_to_end.asking import entered, final_status, model_metrics
from tests.end_to_end.canaries.overheard import Output, ready, serving
from tests.end_to_end.canaries.quoting_bucket import running_quoting_bucket
from tests.end_to_end.reading import Bucket
from tests.end_to_end.s3_proxy import S3Proxy, running_proxy
from tests.tiny_truss import make_tiny_truss

TEXT, DOCUMENT, SIGNATURE = (seed(what) for what in ("text", "document", "signature"))
API_KEY, PASSWORD, TOKEN = (seed(what) for what in ("API key", "password", "session token"))
WRONG_SECRET = seed("wrong AWS secret key")
PREFIX = "canaries"
URL_HOST = "files.canary.invalid"


def encoded(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


def url(host: str, suffix: str = "") -> dict[str, Any]:
    return {"document": {"url": f"https://{host}/a?X-Amz-Signature={SIGNATURE}{suffix}"}}


GOOD: dict[str, Any] = {
    "text": {"text": TEXT},
    "document": {"document": {"base64": encoded(f"one two {DOCUMENT}")}},
}
BAD: dict[str, Any] = {
    "wrong type": {"text": [TEXT]},
    "unknown field": {"passwort": PASSWORD},
    "inference error quoting its input": {"text": TEXT, "error": "inference"},
    "input error": {"text": TEXT, "error": "input"},
    "error of a wrong type": {"error": {TEXT: TEXT}},
    "not base64": {"document": {"base64": f"{DOCUMENT}!"}},
    "not UTF-8": {"document": {"base64": base64.b64encode(b"\xff" + DOCUMENT.encode()).decode()}},
    "two sources": {"document": {"base64": encoded(DOCUMENT), "url": url("a")["document"]["url"]}},
    "wrong hash": {"document": {"base64": encoded(DOCUMENT), "sha256": "0" * 64}},
    "hash that is none": {"document": {"base64": encoded(DOCUMENT), "sha256": TEXT}},
    "address of a host not allowed": url("elsewhere.canary.invalid"),
    "address of a host that does not exist": url(URL_HOST),
    "address that is none": url(URL_HOST, "\r\nA: b"),
    "address with a password": url(f"user:{PASSWORD}@{URL_HOST}"),
    "metadata of a wrong type": {"text": TEXT, "metadata": {"item": [TEXT]}},
    "endless field name": {TEXT[:2] * 1000 + TEXT: 1},
    "no object": [TEXT],
}


@pytest.fixture(
    scope="module", params=["explicit", pytest.param("decorated", marks=pytest.mark.slow)]
)
def form(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def truss(form, tmp_path_factory) -> Path:
    """It stores every request, also one that is no object."""
    directory = tmp_path_factory.mktemp("canaries-truss")
    return make_tiny_truss(directory, is_decorated=form == "decorated", store="always")


@pytest.fixture(scope="module")
def layout(truss, tmp_path_factory) -> TrussLayout:
    return lay_out_truss(truss, tmp_path_factory.mktemp("canaries") / "truss")


@pytest.fixture(scope="module")
def door(seaweedfs) -> Iterator[S3Proxy]:
    with running_proxy(seaweedfs.endpoint_url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def environment(seaweedfs, door, form) -> dict[str, str]:
    return {
        "OUTBOX_ROOT": f"s3://outbox/{PREFIX}-{form}",
        "OUTBOX_ENDPOINT_URL": door.url,
        "OUTBOX_URL_HOSTS": URL_HOST,
        "OUTBOX_STORE_TIMEOUT_SECONDS": "2",
        "TRUSS_SECRET_aws_access_key_id": seaweedfs.access_key_id,
        "TRUSS_SECRET_aws_secret_access_key": seaweedfs.secret_access_key,
    }


@pytest.fixture(scope="module")
def records(bucket, form) -> Bucket:
    return Bucket(bucket.client, bucket.name, f"{PREFIX}-{form}")


async def predict(client: httpx.AsyncClient, model_input: Any, item: str) -> httpx.Response:
    if isinstance(model_input, dict):
        model_input = {"metadata": {"job": "canaries", "item": item}} | model_input
    return await client.post(
        "/v1/models/model:predict",
        json=model_input,
        headers={"Authorization": f"Api-Key {API_KEY}", "x-baseten-request-id": encoded(item)[:8]},
    )


async def predict_while_the_bucket_quotes(
    client: httpx.AsyncClient, door: S3Proxy, gate: Path
) -> httpx.Response:
    """The bucket is well until the result is to be stored, and then repeats what it is sent."""
    healthy = door.upstream
    with running_quoting_bucket() as quoting:
        request = asyncio.create_task(
            predict(client, {"text": TEXT, "gate": str(gate)}, "quoting bucket")
        )
        async with asyncio.timeout(30):
            while not entered(gate):
                await asyncio.sleep(0.02)
        door.upstream = quoting.removeprefix("http://")
        (gate / "open").touch()
        try:
            return await request
        finally:
            door.upstream = healthy


@pytest.fixture(scope="module")
def output(layout, environment, door, tmp_path_factory) -> Output:
    directory = tmp_path_factory.mktemp("canaries-run")
    gate = directory / "gate"
    gate.mkdir()
    output = Output()

    async def run() -> None:
        async with serving(layout, environment, directory, output) as client:
            await ready(client)
            for name, model_input in (GOOD | BAD).items():
                output.answers[name] = await predict(client, model_input, name)
            output.answers["not JSON"] = await client.post(
                "/v1/models/model:predict", content=f'{{"text": "{TEXT}', headers={"a": PASSWORD}
            )
            output.answers["quoting"] = await predict_while_the_bucket_quotes(client, door, gate)

    asyncio.run(run())
    return output


def test_every_case_ended_as_it_should(output):
    statuses = {name: answer.status_code for name, answer in output.answers.items()}
    assert {statuses[name] for name in GOOD} == {200}
    # A resolver that is out of reach says "try again", one that is in reach "no such name".
    assert statuses.pop("address of a host that does not exist") in {422, 503}
    assert statuses.pop("inference error quoting its input") == 500
    assert statuses.pop("not UTF-8") == 500
    assert statuses.pop("not JSON") == 400
    assert statuses.pop("quoting") == 503
    assert {status for name, status in statuses.items() if name in BAD} == {422}


def test_the_servers_output_holds_none_of_it(output):
    assert "the request failed" in output.log
    assert "outbox_failures_total" in output.metrics
    # The author's own words are in the model's log, and nowhere else: the text of an exception.
    quoted = [line for line in output.log.splitlines() if TEXT in line]
    assert quoted
    assert all("RuntimeError: could not count" in line for line in quoted)
    assert found(output.places() | {"the log": output.log.replace(TEXT, "")}) == []


def test_the_records_hold_none_of_it(output, records):
    """The results do, by design: `artifacts/` is what the model was asked for."""
    failures = {key: records.get(key).decode() for key in records.keys("failures/")}
    manifests = {key: records.get(key).decode() for key in records.keys("manifests/")}
    assert len(failures) >= len(BAD)
    assert len(manifests) == len(GOOD)
    assert found(failures | manifests) == []
    assert found({"a key": "\n".join(records.keys(""))}) == []


@pytest.mark.parametrize(
    "quotes",
    [
        pytest.param(False, id="SeaweedFS", marks=pytest.mark.slow),
        pytest.param(True, id="a bucket that quotes"),
    ],
)
def test_a_model_that_may_not_use_its_bucket_says_so_without_its_keys(
    layout, environment, tmp_path, quotes
):
    async def run(endpoint_url: str) -> str:
        wrong = {
            "OUTBOX_ENDPOINT_URL": endpoint_url,
            "TRUSS_SECRET_aws_secret_access_key": WRONG_SECRET,
            "TRUSS_SECRET_aws_session_token": TOKEN,
        }
        async with (
            asyncio.timeout(60),
            running_truss(
                layout, environment=environment | wrong, state_directory=tmp_path
            ) as truss,
        ):
            return (await truss.log.read()).decode(errors="replace")

    with running_quoting_bucket() as quoting:
        log = asyncio.run(run(quoting if quotes else environment["OUTBOX_ENDPOINT_URL"]))
    # SeaweedFS looks at the token first, of which it knows nothing.
    assert ("SignatureDoesNotMatch" if quotes else "InvalidAccessKeyId") in log
    assert found({"the log": log}) == []


def test_the_stand_in_says_none_of_it(truss, environment, records, tmp_path):
    with running_locally(
        truss,
        state_directory=tmp_path / "state",
        api_key=API_KEY,
        concurrency_target=2,
        environment=environment,
    ) as local:
        headers = {"Authorization": f"Api-Key {API_KEY}"}
        with httpx.Client(base_url=local.base_url, headers=headers, timeout=30) as api:
            places = {
                "a refused key": api.post(
                    "/production/async_predict",
                    json={"model_input": GOOD["text"]},
                    headers={"Authorization": f"Api-Key {PASSWORD}"},
                ).text
            }
            for name in ("text", "wrong type", "address of a host not allowed", "input error"):
                metadata = {"job": "canaries-async", "item": name}
                model_input = {"metadata": metadata} | (GOOD | BAD)[name]
                answer = api.post("/production/async_predict", json={"model_input": model_input})
                status = final_status(api, answer.json()["request_id"])
                places[name] = answer.text + str(status)
        places["the log"] = said(local.log)
        places["the metrics"] = model_metrics(local)
    assert "status=FAILED" in places["the log"]
    assert found(places) == []
    assert len(records.keys("failures/job=canaries-async/")) == 3
