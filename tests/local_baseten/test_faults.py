"""Faults that are asked for happen, as often as asked, and everything still ends well."""

import asyncio
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from local_baseten.errors import FaultError
from local_baseten.faults.faults import Fault, Faults
from local_baseten.faults.faulty import FaultyModel
from local_baseten.running import running_locally
from local_baseten.trusses.client import Answer, ModelCall, ModelLostError
from tests.baseten_webhooks.scripted_receiver import receiving
from tests.local_baseten.caller import calling
from tests.local_baseten.conftest import TRUSSES
from tests.tiny_truss import PROJECT
from tests.waiting import until


def test_a_seed_settles_what_happens():
    def decisions(seed: int) -> list[bool]:
        faults = Faults({"model_slow": 0.5, "model_error": 0.5}, seed=seed)
        return [faults.happens(fault) for fault in [Fault.MODEL_SLOW, Fault.MODEL_ERROR] * 20]

    assert decisions(1) == decisions(1) != decisions(2)


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_explained(fault):
    readme = PROJECT / "scripts" / "local_baseten" / "README.md"

    assert f"| `{fault}` | " in readme.read_text()


def test_one_fault_does_not_settle_another():
    def slow(**others: float) -> list[bool]:
        faults = Faults({"model_slow": 0.5} | others, seed=1)
        return [
            (faults.happens(Fault.MODEL_ERROR), faults.happens(Fault.MODEL_SLOW))[1]
            for _ in range(20)
        ]

    assert slow() == slow(model_error=0.9)


def test_faults_happen_as_often_as_asked(caplog):
    faults = Faults({"model_slow": 0.25, "model_error": 1, "lost_answer": 0}, seed=1)

    happened = Counter(fault for fault in Fault for _ in range(1_000) if faults.happens(fault))

    assert set(happened) == {Fault.MODEL_SLOW, Fault.MODEL_ERROR}
    assert happened[Fault.MODEL_ERROR] == 1_000
    assert 200 < happened[Fault.MODEL_SLOW] < 300
    assert "fault, as asked for: model_slow" in caplog.text


def test_without_faults_there_are_none():
    assert not Faults({})
    assert not Faults({"lost_answer": 0})
    assert Faults({"lost_answer": 0.01})


@pytest.mark.parametrize(
    "asked",
    [{"lost": 0.5}, {"model_slow": -0.1}, {"model_slow": 1.1}, {"model_slow": float("nan")}],
)
def test_what_cannot_happen_is_refused(asked):
    with pytest.raises(FaultError, match=r"fault|probability"):
        Faults(asked)


@pytest.mark.parametrize(
    ("option", "said"), [("lost=0.5", "no fault is called 'lost'"), ("lost_answer", "KIND=PROB")]
)
def test_the_command_refuses_it_before_anything_runs(tmp_path, option, said):
    command = [*(sys.executable, "-m", "outbox_client", "serve", str(TRUSSES / "echo"))]
    done = subprocess.run(
        [*command, "--fault", option, "--state", tmp_path / "state"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 3
    assert said in done.stderr
    assert not (tmp_path / "state").exists()


@dataclass
class SlowModel:
    """Notes how each of its calls went."""

    seconds: float = 0.0
    calls: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def predict(self, call: ModelCall) -> Answer:
        self.ids.append(call.request_id)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.calls.append("hung up")
            raise
        self.calls.append("answered")
        return Answer(status=200, body=b"{}", content_type=call.content_type)


def ask(model: SlowModel, fault: str, *, seed: int = 1, attempt: int = 1) -> Answer:
    faults = Faults({fault: 1.0}, seed=seed)
    faulty = FaultyModel(model=model, faults=faults, slow_seconds=0.05)
    call = ModelCall(url="", body="{}", request_id="r", attempt=attempt)
    return asyncio.run(faulty.predict(call))


def test_a_models_error_is_one_that_is_tried_again():
    model = SlowModel()

    statuses = {ask(model, "model_error", seed=seed).status for seed in range(40)}

    assert statuses == {500, 502, 503, 504}
    assert model.calls == []


def test_a_duplicate_is_delivered_beside_the_first():
    model = SlowModel(seconds=0.01)

    assert ask(model, "duplicate_delivery").status == 200
    assert model.calls == ["answered", "answered"]


@pytest.mark.parametrize(("seconds", "call"), [(10.0, "hung up"), (0.0, "answered")])
def test_what_a_disconnected_model_answers_is_not_heard(seconds, call):
    model = SlowModel(seconds=seconds)

    with pytest.raises(ModelLostError):
        ask(model, "model_disconnect")

    assert model.calls == [call]


def test_a_slow_model_answers_all_the_same():
    model = SlowModel()

    assert ask(model, "model_slow").status == 200
    assert model.calls == ["answered"]


def test_a_retry_under_a_new_id_follows_a_first_attempt_under_the_true_one():
    model = SlowModel()

    for attempt in (1, 2, 3):
        ask(model, "new_id_on_retry", attempt=attempt)

    assert model.ids[0] == "r"
    assert len({*model.ids}) == 3


ASKED = {
    "unavailable": 0.2,
    "lost_answer": 0.3,
    "model_error": 0.2,
    "model_slow": 0.2,
    "model_disconnect": 0.2,
    "duplicate_delivery": 0.3,
    "webhook_error": 0.3,
    "webhook_lost_answer": 0.3,
}
COUNT = 40


def foreseen(seed: int) -> list[str]:
    faults = Faults(ASKED, seed=seed)
    return [
        "503"
        if faults.happens(Fault.UNAVAILABLE)
        else ("lost" if faults.happens(Fault.LOST_ANSWER) else "201")
        for _ in range(COUNT)
    ]


def submit(http: httpx.Client, body: dict) -> str:
    try:
        return str(http.post("/production/async_predict", json=body).status_code)
    except httpx.RemoteProtocolError:
        return "lost"


def test_through_all_faults_every_request_ends(tmp_path):
    seed = 5
    record = tmp_path / "record"
    with (
        receiving("200") as receiver,
        running_locally(
            TRUSSES / "obedient",
            state_directory=tmp_path / "state",
            concurrency_target=8,
            webhook_delays_seconds=(0.05,) * 20,
            faults=ASKED,
            fault_seed=seed,
            slow_seconds=0.1,
        ) as local,
        calling(local, record) as caller,
    ):
        body = {
            "model_input": {"record": str(record)},
            "webhook_endpoint": receiver.url(),
            "inference_retry_config": {"max_attempts": 10, "initial_delay_ms": 0},
        }
        answers = [submit(caller.http, body) for _ in range(COUNT)]
        taken = COUNT - answers.count("503")

        def delivered() -> bool:
            return len({one.headers["X-BASETEN-REQUEST-ID"] for one in receiver.received}) == taken

        until(delivered, "every result is delivered")
        log = local.log.read_text()

    assert answers == foreseen(seed)
    assert "FAULTS ARE ON" in log
    for fault in ASKED:
        assert f"fault, as asked for: {fault}" in log
    attempts = Counter(attempt["request_id"] for attempt in caller.attempts())
    assert len(attempts) == taken < attempts.total()
    assert len(receiver.received) > taken
