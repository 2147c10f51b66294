"""The page's files and data: for whom, and never more than a result's own files."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime

import pytest

from local_baseten.request_queue.pointer import key_of, name_of
from local_baseten.request_queue.request import RequestError
from truss_outbox.contract.keys import artifact_key, manifest_key
from truss_outbox.contract.manifest import Manifest, ModelInfo
from truss_outbox.stores.directory import DirectoryStore

KEY = "the-right-key"
HOSTILE = b"<script>document.title = 'run'</script>"
DATA_PATHS = ["/metrics", "/page/state", "/page/requests/a", "/page/requests/a/artifacts/0"]


@pytest.fixture
def get(bare):
    def get(path: str, *, configured: str = "any", **values):
        async def scenario():
            async with bare.client(key=configured) as client:
                return await client.get(path, **values)

        return asyncio.run(scenario())

    return get


def pointer(key: str) -> str:
    return json.dumps({"key": key, "manifest": f"s3://b/{manifest_key(key)}", "artifacts": []})


@pytest.fixture
def commit(bare, add, queue, tmp_path):
    """A request whose result has one artifact."""

    def commit(name: str = "text.txt", content: bytes = b"text", *, type_: str, key: str = "k/i"):
        sha256 = hashlib.sha256(content).hexdigest()
        artifact = {"name": name, "uri": "s3://x", "size": len(content), "sha256": sha256}
        manifest = Manifest(
            key=key,
            request_id="a",
            job="k",
            item="i",
            attempt="0" * 8,
            fingerprint="0" * 64,
            model=ModelInfo(name="m", version="1"),
            created_at=datetime.now(UTC),
            artifacts=[artifact | {"content_type": type_}],
        )
        path = tmp_path / "artifact"
        path.write_bytes(content)
        stored_at = artifact_key(key, manifest.attempt, name)
        bare.store.put_file(stored_at, path, content_type=type_)
        bare.store.create(manifest_key(key), manifest.to_bytes(), content_type="")
        add("a")
        queue.succeed(queue.claim(), data=pointer(key))
        return stored_at

    return commit


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/openapi.json"])
def test_the_pages_files_are_for_everybody(get, path):
    answer = get(path, configured=KEY, headers={"authorization": ""})

    assert answer.status_code == 200
    assert KEY not in answer.text


def test_the_page_may_run_and_reach_nothing_but_its_own(get):
    answer = get("/")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in get("/page.js").text.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in get("/page.css").text


@pytest.mark.parametrize("path", DATA_PATHS)
@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {KEY}"])
def test_the_data_are_for_callers_with_the_key(get, path, header):
    answer = get(path, configured=KEY, headers={"authorization": header})

    assert answer.status_code == 401
    assert KEY not in answer.text


@pytest.mark.parametrize("path", ["/", *DATA_PATHS])
def test_another_hosts_name_is_refused(get, path):
    assert get(path, headers={"host": "evil.example"}).status_code == 400


def test_neither_the_state_nor_the_metrics_name_the_key(get, add):
    add("a")
    headers = {"authorization": f"Bearer {KEY}"}

    for path in ("/page/state", "/metrics", "/page/requests/a"):
        answer = get(path, configured=KEY, headers=headers)
        assert answer.status_code == 200
        assert KEY not in answer.text


def test_the_state_tells_of_each_request_what_changed_last_first(get, add, queue, clock):
    add("first")
    clock.now += 1
    add("second")
    clock.now += 1
    queue.fail(queue.claim(), RequestError(code="MODEL_PREDICT_ERROR", message="why"))

    state = get("/page/state").json()

    rows = [(row["request_id"], row["status"], row["error"]) for row in state["requests"]]
    assert rows == [
        ("first", "FAILED", {"code": "MODEL_PREDICT_ERROR", "message": "why"}),
        ("second", "QUEUED", None),
    ]
    assert (state["counts"]["QUEUED"], state["counts"]["FAILED"]) == (1, 1)
    assert (len(state["points"]), state["points"][-1]["queued"]) == (60, 1)
    assert state["now"] == clock.now


def test_requests_are_told_by_status(get, add, queue):
    for name in "abc":
        add(name)
    queue.cancel("b")

    def ids(query: str) -> list[str]:
        rows = get(f"/page/state?{query}").json()["requests"]
        return sorted(row["request_id"] for row in rows)

    assert ids("status=CANCELED") == ["b"]
    assert ids("status=QUEUED&status=CANCELED&status=QUEUED") == ["a", "b", "c"]
    assert ids("status=FAILED") == []


def test_what_is_to_be_tried_again_is_told_as_running(get, add, queue, clock):
    error = RequestError(code="MODEL_PREDICT_ERROR", message="why")
    for name in ("delayed", "due", "running"):
        add(name)
    queue.retry(queue.claim(), error, delay_seconds=60)
    queue.retry(queue.claim(), error, delay_seconds=1)
    queue.claim()
    clock.now += 2

    rows = get("/page/state?status=IN_PROGRESS").json()["requests"]

    assert {row["request_id"] for row in rows} == {"delayed", "due", "running"}


@pytest.mark.parametrize(
    "query", ["status=NO", "window=1", "window=1e9", "window=99999", "window="]
)
def test_what_the_page_would_not_ask_is_refused(get, query):
    assert get(f"/page/state?{query}").status_code == 400


def test_a_result_is_its_manifest_and_its_artifacts(get, commit):
    commit("pages/page-0001.png", b"pixels", type_="image/png")

    detail = get("/page/requests/a").json()
    artifact = get("/page/requests/a/artifacts/0")

    assert detail["manifest"]["artifacts"][0]["name"] == "pages/page-0001.png"
    assert (artifact.content, artifact.headers["content-type"]) == (b"pixels", "image/png")


@pytest.mark.parametrize(
    "type_", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/plain", "text/xml"]
)
def test_a_document_that_is_a_program_is_served_as_data(get, commit, type_):
    commit("text.html", HOSTILE, type_=type_)

    answer = get("/page/requests/a/artifacts/0")

    assert answer.content == HOSTILE
    assert answer.headers["content-type"] in {
        "application/octet-stream",
        "text/plain; charset=utf-8",
    }
    assert answer.headers["content-disposition"] == 'attachment; filename="text.html"'
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_artifact_that_was_changed_is_not_shown(get, commit, bare, tmp_path):
    stored_at = commit("text.txt", b"text", type_="text/plain")
    (tmp_path / "other").write_bytes(b"TEXT")
    bare.store.delete(stored_at)
    bare.store.put_file(stored_at, tmp_path / "other", content_type="")

    answer = get("/page/requests/a/artifacts/0")

    assert (answer.status_code, answer.json()["detail"]) == (502, "CorruptArtifactError")
    assert "TEXT" not in answer.text


@pytest.mark.parametrize("number", ["1", "-1", "x", "²", "9" * 5_000, "0/..%2f..%2fsecret"])
def test_there_are_no_more_artifacts_than_the_manifest_names(get, commit, number):
    commit(type_="text/plain")

    assert get(f"/page/requests/a/artifacts/{number}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/page.py",
        "/assets/page.js",
        "/page/../page.py",
        "/page.js/..%2f..%2fserving.py",
        "/..%2fapplication.py",
        "/%2e%2e/application.py",
        "//etc/passwd",
        "/page/requests/..%2f..%2fqueue.sqlite3",
        "/page/requests/a%00",
        "/page.html",
        "/grafana.json",
    ],
)
def test_no_path_leads_to_another_file(get, add, path):
    add("a")

    assert get(path).status_code == 404


@pytest.mark.parametrize(
    "key",
    [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a//b",
        "a/.hidden",
        "",
        "a\\b",
        "a\0",
        "k" * 801,
    ],
)
def test_an_answer_that_names_a_place_outside_names_no_result(get, add, queue, bare, tmp_path, key):
    (tmp_path / "root" / "manifests").mkdir(parents=True)
    (tmp_path / "secret.json").write_text("{}")
    bare.store = DirectoryStore(tmp_path / "root")
    add("a")
    queue.succeed(queue.claim(), data=pointer(key))

    assert key_of(pointer(key)) is None
    assert get("/page/requests/a").json()["manifest"] is None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        '"manifest"',
        '["manifest"]',
        '{"manifest": 1, "key": "k"}',
        '{"manifest": "s3://b/x", "key": "k"}',
        '{"manifest": ',
        '{"manifest":' + "[" * 100_000,
    ],
)
def test_what_another_model_answers_names_no_result(answer):
    assert key_of(answer) is None


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"job": "j", "item": "a/b"}, "j/a/b"),
        ({"item": "only"}, "only"),
        ({"job": 1, "item": None}, None),
        ({"item": "\ud800"}, "?"),
        ({"item": "x" * 999}, "x" * 200),
        ([], None),
        (None, None),
    ],
)
def test_a_request_is_called_what_its_metadata_say(metadata, name):
    assert name_of({"metadata": metadata}) == name


def test_a_submitted_request_keeps_its_name(bare):
    async def scenario():
        async with bare.client() as client:
            body = {"model_input": {"metadata": {"job": "march", "item": HOSTILE.decode()}}}
            await client.post("/production/async_predict", json=body)
            return (await client.get("/page/state")).json()["requests"]

    (row,) = asyncio.run(scenario())

    assert row["name"] == f"march/{HOSTILE.decode()}"
