"""Which host and path a call goes to, and what of a request arrives: nothing but what was said."""

import json

import pytest

from outbox_client.errors import ServiceUnavailableError
from outbox_client.service.api import Addressee
from outbox_client.service.baseten import connected
from outbox_client.settings import ServiceOverrides, read_settings
from outbox_client.sources.items import Batch
from tests.documentation.pages import block, command_lines
from tests.outbox_client.service.logging_server import Log, logging_server
from truss_outbox.contract.errors import ConfigurationError, InvalidInputError
from truss_outbox.retrying import without_pauses

BODY = {"model_input": {"document": {"base64": "eA=="}}}

ADDRESSEES = [
    (Addressee(), "/production"),
    (Addressee(environment="development"), "/development"),
    (Addressee(environment="staging"), "/environments/staging"),
    (Addressee(deployment="w5d4x9q"), "/deployment/w5d4x9q"),
    (Addressee(environment="prod-eu", is_regional=True), ""),
]


@pytest.fixture
def log():
    with logging_server() as log:
        yield log


def connect(addressee, *, base_url=None, model_id=None, chain_id=None):
    return connected(
        api_key="k", model_id=model_id, chain_id=chain_id, base_url=base_url, addressee=addressee
    )


@pytest.mark.parametrize(("addressee", "form"), ADDRESSEES)
def test_every_call_goes_to_the_path_of_its_addressee(log: Log, addressee, form):
    with connect(addressee, base_url=log.url) as api:
        api.wake()
        api.submit(BODY)
        api.queue_status()
    assert log.paths == [
        f"POST {form}/wake",
        f"POST {form}/async_predict",
        f"GET {form}/async_queue_status",
    ]
    with connect(addressee, base_url=log.url, chain_id="c") as api:
        api.submit(BODY)
    assert log.paths[-1] == f"POST {form}/async_run_remote"


@pytest.mark.parametrize(
    ("addressee", "ids", "host"),
    [
        (Addressee(environment="staging"), {"model_id": "abc"}, "model-abc"),
        (Addressee(deployment="w5d4x9q"), {"chain_id": "xyz"}, "chain-xyz"),
        (Addressee(environment="eu", is_regional=True), {"model_id": "abc"}, "model-abc-eu"),
        (Addressee(environment="eu", is_regional=True), {"chain_id": "xyz"}, "chain-xyz-eu"),
    ],
)
def test_a_regional_environment_has_a_host_of_its_own(log: Log, monkeypatch, addressee, ids, host):
    monkeypatch.setenv("HTTPS_PROXY", log.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with connect(addressee, **ids) as api, pytest.raises(ServiceUnavailableError):
        api.submit(BODY)
    assert log.paths == [f"CONNECT {host}.api.baseten.co:443"]


def settings(environ=None, **options):
    return read_settings(ServiceOverrides(**options), environ=environ or {})


def test_an_option_for_the_one_goes_before_a_variable_for_the_other():
    both = {"OUTBOX_DEPLOYMENT": "w5d4x9q", "OUTBOX_ENVIRONMENT": "staging"}
    told = settings(both)
    assert (told.deployment, told.environment) == ("w5d4x9q", "staging")
    told = settings(both, environment="eu", regional=True)
    assert (told.deployment, told.environment, told.is_regional) == (None, "eu", True)
    told = settings({"OUTBOX_REGIONAL": "1", "OUTBOX_ENVIRONMENT": "eu"}, deployment="abc")
    assert (told.deployment, told.environment, told.is_regional) == ("abc", "eu", False)
    # Which environment it serves, nobody said: no key may tell one.
    assert settings(deployment="abc").environment is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"deployment": "a", "regional": True}, "deployment: and --regional exclude each other"),
        ({"deployment": "a/../b"}, "deployment: may only hold letters, digits and hyphens"),
        ({"environment": "evil.example/", "regional": True}, "environment: of a regional one"),
    ],
)
def test_an_addressee_that_would_change_the_host_or_the_path_is_refused(options, said):
    with pytest.raises(ConfigurationError, match=said):
        settings(**options)


FIELDS = {
    "--priority": 0,
    "--max-time-in-queue": 3600,
    "--webhook": "https://hooks.example/outbox?team=7",
    "--max-attempts": 10,
    "--initial-delay-ms": 0,
    "--max-delay-ms": 60_000,
}


def options(fields):
    return [text for name, value in fields.items() for text in (name, value)]


def test_every_field_arrives_as_it_was_said_and_no_other(log: Log, outbox, documents, job):
    source = ("submit", documents / "a.txt", "--job", job, "--base-url", log.url)
    assert outbox(*source, *options(FIELDS), "--deployment", "w5d4x9q").exit_code == 0
    assert outbox(*source, "--max-attempts", 1).exit_code == 0
    assert outbox(*source).exit_code == 0
    bodies = [body for method, _, body in log.asked if method == "POST"]
    for body in bodies:
        assert body.pop("model_input")["metadata"] == {"job": job, "item": "a.txt", "labels": {}}
    assert bodies == [
        {
            "priority": 0,
            "max_time_in_queue_seconds": 3600,
            "webhook_endpoint": "https://hooks.example/outbox?team=7",
            "inference_retry_config": {
                "max_attempts": 10,
                "initial_delay_ms": 0,
                "max_delay_ms": 60_000,
            },
        },
        {"inference_retry_config": {"max_attempts": 1}},
        {},
    ]
    assert log.paths[:2] == [
        "GET /deployment/w5d4x9q/async_queue_status",
        "POST /deployment/w5d4x9q/async_predict",
    ]


def test_a_job_that_was_stopped_goes_on_with_the_fields_it_was_begun_with(
    log: Log, outbox, faults, documents, job
):
    faults.queue.append((401, "{}"))  # nothing of it is sent
    assert outbox("submit", documents / "a.txt", "--job", job, *options(FIELDS)).exit_code == 3
    assert outbox("resume", job, "--base-url", log.url).exit_code == 0
    (body,) = [body for method, _, body in log.asked if method == "POST"]
    assert body["webhook_endpoint"] == FIELDS["--webhook"]
    assert body["inference_retry_config"]["max_attempts"] == 10


def test_wake_asks_the_deployment_to_start_and_says_so(log: Log, outbox):
    said = outbox("wake", "--base-url", log.url, "--environment", "staging")
    assert said.stdout == "asked staging to start; the first requests wait until it has\n"
    answer = outbox("wake", "--base-url", log.url, "--deployment", "w5d4x9q", "--json")
    assert json.loads(answer.stdout)["deployment"] == "w5d4x9q"
    assert log.paths == ["POST /environments/staging/wake", "POST /deployment/w5d4x9q/wake"]


@pytest.mark.parametrize("faulty", [(503, "{}"), (429, "{}")])
def test_wake_waits_for_a_service_that_has_a_fault(outbox, faults, faulty):
    faults.queue += [faulty, (401, "{}")]
    result = outbox("wake")
    assert result.exit_code == 3
    assert "API key" in result.stderr
    assert len(faults.paths) == 2


@pytest.mark.parametrize("words", [("wake",), ("cancel", "J")])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_long_wait_for_the_service_is_told_once(outbox, faults, documents, words, as_json):
    assert outbox("submit", documents / "a.txt", "--job", "J").exit_code == 0
    # The seventh pause is of four seconds at least.
    faults.queue += [(503, "{}")] * 7
    with without_pauses(tries=8):
        done = outbox(*words, *(["--json"] if as_json else []))
    assert done.exit_code == 0, done.output
    told = [line for line in done.stderr.splitlines() if "does not answer" in line]
    message = "the service does not answer, or asks to wait: going on for up to 120 s"
    note = {"event": "note", "code": "SERVICE_UNAVAILABLE", "message": message}
    assert told == [json.dumps(note) if as_json else message]


def test_the_pages_examples_go_where_they_say(log: Log, outbox, documents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents.rename(tmp_path / "letters")
    for words in command_lines(block("sh", "outbox wake")):
        done = outbox(*words, OUTBOX_BASE_URL=log.url)
        assert done.exit_code == 0, done.output
    posted = [path for path in log.paths if path.startswith("POST")]
    assert posted == [
        "POST /production/wake",
        *["POST /production/async_predict"] * 6,
        *["POST /deployment/w5d4x9q/async_predict"] * 3,
        *["POST /async_predict"] * 3,
    ]


def rows(path, count):
    path.write_text("".join(f'{{"item": "{n}", "x": {n}}}\n' for n in range(count)))
    return path


@pytest.mark.slow
def test_more_than_a_hundred_items_go_after_single_requests_unless_somebody_says_else(
    outbox, job, service, tmp_path
):
    few, many = rows(tmp_path / "few.jsonl", 100), rows(tmp_path / "many.jsonl", 101)
    said = outbox("submit", few, "--job", job, "--dry-run", "--json")
    assert json.loads(said.stdout)["priority"] is None
    assert "priority" not in said.stderr
    told = "101 items go with priority 1, as batch work should; --priority sets another"
    said = outbox("submit", many, "--job", job)
    assert said.exit_code == 0, said.output
    assert told in said.stderr
    assert {body["priority"] for body in service.bodies.values()} == {1}
    said = outbox("submit", many, "--job", job, "--dry-run", "--json")
    assert told in said.stderr
    said = outbox("submit", many, "--job", job, "--dry-run", "--json", "--priority", 0)
    assert (json.loads(said.stdout)["priority"], said.stderr) == (0, "")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "ftp://localhost/x",
        "hooks.example",
        "https://",
        "https://hooks.example:x/",
        "https://hooks.example/a b",
        "https://höks.example/",
        "https://[::1/x",
    ],
)
def test_a_webhook_that_the_service_would_refuse_is_refused_without_quoting_it(url):
    with pytest.raises(InvalidInputError, match="webhook: must be") as caught:
        Batch(job="j", webhook_endpoint=url)
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/x", "http://[::1]:1/x", "https://h.example"]
)
def test_a_webhook_that_the_service_takes_is_taken(url):
    assert Batch(job="j", webhook_endpoint=url).webhook_endpoint == url


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": 0}, {"max_attempts": 11}, {"initial_delay_ms": -1},
              {"initial_delay_ms": 10_001}, {"max_delay_ms": 60_001}]
)  # fmt: skip
def test_what_the_service_would_refuse_of_retries_is_refused_by_its_name(wrong):
    with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))}: must be from"):
        Batch(job="j", **wrong)
