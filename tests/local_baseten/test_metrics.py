"""The metrics are Baseten's by name and label, and the dashboard asks for nothing else."""

import asyncio
import json
from pathlib import Path

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from local_baseten.endpoints.answers import ApiError
from local_baseten.measuring import metrics
from local_baseten.measuring.history import CallKind, History
from local_baseten.measuring.metrics import Metrics
from local_baseten.measuring.observer import ObservedModel, Observer, observed
from local_baseten.trusses.client import Answer, ModelCall, ModelLostError, ModelRefusedError
from tests.local_baseten.caller import Caller

DASHBOARD = Path(metrics.__file__).parent / "grafana.json"
DEPLOYMENT = {"model_id", "model_name", "deployment_id", "environment", "rollout_phase"}
ANSWER = DEPLOYMENT | {"status_code", "is_async"}
DOCUMENTED = {
    "baseten_time_in_async_queue_seconds": ("histogram", DEPLOYMENT),
    "baseten_async_queue_size": ("gauge", DEPLOYMENT),
    "baseten_async_webhook_requests": ("counter", DEPLOYMENT),
    "baseten_async_webhook_latency_seconds": ("histogram", DEPLOYMENT),
    "baseten_inference_requests": ("counter", ANSWER),
    "baseten_end_to_end_response_time_seconds": ("histogram", ANSWER),
}


@pytest.fixture
def measured() -> Metrics:
    """With a value of each."""
    measured = Metrics(model_name="m")
    measured.queued(3)
    measured.left_queue(0.2)
    measured.answered(1.5, status=200, is_async=True)
    measured.webhook_sent(0.1)
    return measured


def families(exposition: bytes) -> dict:
    parsed = text_string_to_metric_families(exposition.decode())
    return {family.name: family for family in parsed if not family.name.endswith("_created")}


def values(exposition: bytes, name: str) -> dict[tuple[str, str], float]:
    """By is_async and status code."""
    return {
        (sample.labels["is_async"], sample.labels["status_code"]): sample.value
        for family in families(exposition).values()
        for sample in family.samples
        if sample.name == name
    }


def test_names_types_and_labels_are_the_documented_ones(measured):
    told = {
        name: (family.type, set().union(*(sample.labels for sample in family.samples)) - {"le"})
        for name, family in families(measured.exposition()).items()
    }

    assert told == DOCUMENTED


def test_two_services_in_one_process_count_for_themselves(measured):
    other = Metrics(model_name="m")

    assert values(other.exposition(), "baseten_inference_requests_total") == {}


def selectors(node) -> list:
    """Every vector selector in an expression."""
    match node:
        case promql_parser.VectorSelector():
            return [node]
        case promql_parser.MatrixSelector():
            return [node.vector_selector]
        case promql_parser.Call():
            return [found for argument in node.args for found in selectors(argument)]
        case promql_parser.AggregateExpr():
            return selectors(node.expr)
        case promql_parser.NumberLiteral():
            return []
    raise AssertionError(f"the test knows no {type(node)}")


def grouping(node) -> set[str]:
    match node:
        case promql_parser.AggregateExpr():
            return set(node.modifier.labels if node.modifier else ()) | grouping(node.expr)
        case promql_parser.Call():
            return set().union(*(grouping(argument) for argument in node.args))
    return set()


def test_the_dashboard_asks_only_for_what_is_served(measured):
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [
        target["expr"].replace("$__rate_interval", "1m")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
    served = {
        sample.name: set(sample.labels)
        for family in families(measured.exposition()).values()
        for sample in family.samples
    }

    asked = set()
    for expression in expressions:
        parsed = promql_parser.parse(expression)
        for selector in selectors(parsed):
            used = {matcher.name for matcher in selector.matchers.matchers} | grouping(parsed)
            assert used <= served[selector.name], expression
            asked.add(selector.name)
    assert len(asked) == len(DOCUMENTED)
    for variable in dashboard["templating"]["list"][1:]:
        assert variable["name"] in served["baseten_async_queue_size"]


CALL = ModelCall(url="", body="", request_id="a")


def an_observer() -> Observer:
    metrics = Metrics(model_name="m")
    return Observer(metrics=metrics, history=History(), clock=float)


class Model:
    def __init__(self, answer):
        self._answer = answer

    async def predict(self, _):
        if isinstance(self._answer, BaseException):
            raise self._answer
        return Answer(status=self._answer, body=b"", content_type=None)


@pytest.mark.parametrize(
    ("answer", "status"),
    [(200, "200"), (422, "422"), (ModelLostError(), "503"), (asyncio.CancelledError(), "504")],
)
def test_an_attempt_counts_by_what_became_of_it(answer, status):
    observer = an_observer()
    model = ObservedModel(Model(answer), observer)

    async def scenario():
        await asyncio.gather(model.predict(CALL), return_exceptions=True)

    asyncio.run(scenario())

    told = observer.metrics.exposition()
    assert values(told, "baseten_inference_requests_total") == {("true", status): 1}
    assert values(told, "baseten_end_to_end_response_time_seconds_count") == {("true", status): 1}


def test_what_could_not_be_sent_is_no_request():
    observer = an_observer()
    model = ObservedModel(Model(ModelRefusedError()), observer)

    with pytest.raises(ModelRefusedError):
        asyncio.run(model.predict(CALL))

    assert values(observer.metrics.exposition(), "baseten_inference_requests_total") == {}


def test_a_refused_sync_call_counts_by_its_status():
    observer = an_observer()

    async def refuse(_):
        raise ApiError(503, "model_not_ready", "not yet")

    with pytest.raises(ApiError):
        asyncio.run(observed(refuse, observer)(None))

    told = values(observer.metrics.exposition(), "baseten_inference_requests_total")
    assert told == {("false", "503"): 1}


def test_the_service_measures_what_it_does(caller: Caller):
    before = caller.http.get("/metrics").content
    caller.predict("sync")
    request_id = caller.submit(
        "retried", fail=[500], options={"inference_retry_config": {"initial_delay_ms": 0}}
    )
    caller.final_status(request_id)

    after = caller.http.get("/metrics").content

    name = "baseten_inference_requests_total"
    grown = {
        key: value - values(before, name).get(key, 0) for key, value in values(after, name).items()
    }
    assert {key: value for key, value in grown.items() if value} == {
        ("false", "200"): 1,
        ("true", "500"): 1,
        ("true", "200"): 1,
    }


def test_the_history_counts_all_and_remembers_an_hour():
    now = [10_000.0]
    history = History(monotonic=lambda: now[0])
    for number in range(1_000):
        history.add(CallKind.SYNC, number / 1_000)
    history.counted(queued=7, running=1)
    now[0] += 1
    history.counted(queued=2, running=1)
    now[0] += 4

    *_, then, last = history.points(300)

    assert (then["sync"]["count"], then["queued"], last["queued"]) == (1_000, 7, None)
    assert 0 <= then["sync"]["p50"] <= then["sync"]["p95"] < 1
    now[0] += 3_600
    history.add(CallKind.ASYNC, 1)
    assert sum(point["sync"]["count"] for point in history.points(3_600)) == 0
    assert sum(point["async"]["count"] for point in history.points(3_600)) == 1
