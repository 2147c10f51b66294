"""No word of Google's credentials, nor of a signed link, where it does not belong: the real Truss
server on a bucket, and a token service, that repeat all they are sent."""

import asyncio
import datetime
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from local_baseten.trusses.layout import lay_out_truss
from local_baseten.trusses.process import running_truss
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.upkeep.presign import gcs_signer
from tests.canaries import found, seed
from tests.end_to_end.canaries.overheard import Output, ready
from tests.end_to_end.canaries.overheard import serving as serving_truss
from tests.gcs_door import Door, TokenService, key_file, quoting, serving
from truss_outbox.contract.root import Root
from truss_outbox.stores import open_store

pytestmark = pytest.mark.slow

ROOT = "gs://outbox/canaries"
URL_HOST = "files.canary.invalid"
BROKEN_KEY = seed("GCS key that is no JSON")


@pytest.fixture(scope="module")
def tokens():
    with serving(tokens := TokenService()):
        tokens.token_of_key = seed("GCS access token")
        yield tokens


@pytest.fixture(scope="module")
def key(tokens) -> str:
    """A service account's key; three lines of it are watched."""
    text = key_file(tokens.url)
    for number, line in enumerate(json.loads(text)["private_key"].splitlines()[1:4], 1):
        seed(f"line {number} of the GCS key", line)
    return text


@pytest.fixture(scope="module")
def door(gcs_options):
    with serving(door := Door(gcs_options.endpoint_url)):
        yield door


@pytest.fixture(scope="module")
def environment(door, key) -> dict[str, str]:
    return {
        "OUTBOX_ROOT": ROOT,
        "OUTBOX_ENDPOINT_URL": door.url,
        "OUTBOX_URL_HOSTS": URL_HOST,
        "OUTBOX_STORE_TIMEOUT_SECONDS": "1",
        "TRUSS_SECRET_gcp_service_account": key,
    }


@pytest.fixture(scope="module")
def layout(tiny_truss, tmp_path_factory):
    return lay_out_truss(tiny_truss, tmp_path_factory.mktemp("gcs-canaries") / "truss")


@pytest.fixture(scope="module")
def links(seaweedfs, key, tmp_path_factory) -> dict[str, str]:
    """Signed links as `presign` makes them; their signatures are watched."""
    key_path = tmp_path_factory.mktemp("key") / "key.json"
    key_path.write_text(key)
    life, now = datetime.timedelta(hours=1), datetime.datetime.now(datetime.UTC)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in seaweedfs.environment.items():
            patch.setenv(name, value)
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_path))
        bucket = open_bucket("s3://outbox/p", endpoint_url=seaweedfs.endpoint_url)
        links = {
            "S3": bucket.link("artifacts/a", life=life),
            "GCS": gcs_signer(Root.parse(ROOT), life=life, now=now)("a"),
        }
    for kind, link in links.items():
        query = parse_qs(urlsplit(link).query)
        (signature,) = (value[0] for name, value in query.items() if name.endswith("-Signature"))
        seed(f"signature of a link to {kind}", signature)
    return links


def asked(links: dict[str, str]) -> dict[str, tuple[set[int], dict[str, Any]]]:
    """By item: how it may end, and the input."""
    cases: dict[str, tuple[set[int], dict[str, Any]]] = {
        "good": ({200}, {"text": "two words"}),
        "refused": ({503}, {"text": "two words"}),
        "away": ({503}, {"text": "two words"}),
    }
    for kind, link in links.items():
        elsewhere = urlsplit(link)._replace(scheme="https", netloc=URL_HOST).geturl()
        cases[f"link-{kind}"] = ({422}, {"document": {"url": link}})
        cases[f"moved-{kind}"] = ({422, 503}, {"document": {"url": elsewhere}})
    return cases


def quote_some(seen):
    """The bucket repeats what it is sent when these manifests are to be stored."""
    if seen.method == "POST" and b'"canaries/manifests/job=canaries/refused' in seen.body:
        return quoting(seen, status=403)
    if seen.method == "POST" and b'"canaries/manifests/job=canaries/away' in seen.body:
        return quoting(seen, status=503)
    return None


@pytest.fixture(scope="module")
def output(layout, environment, door, links, tmp_path_factory) -> Output:
    output = Output()
    door.before = quote_some

    async def run() -> None:
        directory = tmp_path_factory.mktemp("gcs-canaries-run")
        async with serving_truss(layout, environment, directory, output) as client:
            await ready(client)
            for item, (_, model_input) in asked(links).items():
                metadata = {"job": "canaries", "item": item}
                output.answers[item] = await client.post(
                    "/v1/models/model:predict", json={"metadata": metadata} | model_input
                )

    asyncio.run(run())
    return output


def test_every_case_ended_as_it_should(output, links, door, tokens):
    for item, (statuses, _) in asked(links).items():
        assert output.answers[item].status_code in statuses, item
    assert {seen.token for seen in door.seen} == {tokens.token_of_key}


def test_the_servers_output_holds_none_of_it(output):
    assert "the request failed" in output.log
    assert "outbox_failures_total" in output.metrics
    assert found(output.places()) == []


def test_the_records_hold_none_of_it(output, links, gcs_options):
    bucket = open_bucket(ROOT, endpoint_url=gcs_options.endpoint_url)
    store = open_store(ROOT, gcs=gcs_options)
    records = {
        path: store.get(path).decode()
        for prefix in ("failures/", "manifests/")
        for path in bucket.keys(prefix)
    }
    assert len(records) == len(asked(links))
    assert found(records) == []


@pytest.mark.parametrize("broken", [False, True], ids=["a key nobody trusts", "a key that is none"])
def test_a_model_without_a_token_says_so_without_its_key(
    layout, environment, tokens, tmp_path, broken
):
    key = f'{{"private_key": "{BROKEN_KEY}"' if broken else key_file(tokens.url)
    if not broken:
        seed("line of another GCS key", json.loads(key)["private_key"].splitlines()[2])
    trusting = tokens.before
    tokens.before = lambda seen: quoting(seen, status=401)

    async def run() -> str:
        wrong = environment | {"TRUSS_SECRET_gcp_service_account": key}
        async with (
            asyncio.timeout(60),
            running_truss(layout, environment=wrong, state_directory=tmp_path) as truss,
        ):
            return (await truss.log.read()).decode(errors="replace")

    try:
        log = asyncio.run(run())
    finally:
        tokens.before = trusting
    assert "gcp_service_account" in log
    # What the key signed for a token is as good as the key for an hour.
    seed("GCS assertion", parse_qs(tokens.seen[-1].body.decode())["assertion"][0])
    assert found({"the log": log}) == []
