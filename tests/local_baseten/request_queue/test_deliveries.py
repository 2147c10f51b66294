import contextlib

import pytest

from local_baseten.request_queue.database import Database
from local_baseten.request_queue.deliveries import Deliveries
from local_baseten.request_queue.request import RequestError, Status, WebhookStatus

ERROR = RequestError(code="MODEL_PREDICT_ERROR", message="no")
WEBHOOK = "https://example.com/webhook"


@pytest.fixture
def deliveries(database, clock) -> Deliveries:
    return Deliveries(database, clock=clock)


def statuses(queue, name: str) -> tuple[Status, WebhookStatus]:
    request = queue.find(name)
    return request.status, request.webhook_status


def test_a_success_is_delivered_with_its_answer(queue, deliveries, clock, add):
    add("a", webhook=WEBHOOK)
    assert deliveries.claim() is None
    queue.succeed(queue.claim(), data='{"x": 1}')

    delivery = deliveries.claim()

    assert (delivery.request_id, delivery.endpoint, delivery.data) == ("a", WEBHOOK, '{"x": 1}')
    assert (delivery.error, delivery.ended_at, delivery.attempts) == (None, clock.now, 0)
    assert statuses(queue, "a") == (Status.SUCCEEDED, WebhookStatus.PENDING)
    assert deliveries.claim() is None


def test_a_failure_is_delivered_with_its_error(queue, deliveries, add):
    add("a", webhook=WEBHOOK)
    queue.fail(queue.claim(), ERROR)

    delivery = deliveries.claim()

    assert (delivery.data, delivery.error) == (None, ERROR)


def test_without_a_webhook_nothing_is_kept_to_deliver(queue, database, deliveries, add):
    add("a")
    queue.succeed(queue.claim(), data="{}")

    assert deliveries.claim() is None
    assert deliveries.seconds_until_due() is None
    assert statuses(queue, "a") == (Status.SUCCEEDED, WebhookStatus.NO_WEBHOOK_PROVIDED)


@pytest.mark.parametrize(
    ("delivered", "succeeded", "then"),
    [
        (True, True, (Status.SUCCEEDED, WebhookStatus.SUCCEEDED)),
        (False, True, (Status.WEBHOOK_FAILED, WebhookStatus.FAILED)),
        (True, False, (Status.FAILED, WebhookStatus.SUCCEEDED)),
        (False, False, (Status.FAILED, WebhookStatus.FAILED)),
    ],
)
def test_the_end_of_a_delivery_shows_in_the_request(
    queue, deliveries, add, delivered, succeeded, then
):
    add("a", webhook=WEBHOOK)
    queue.succeed(queue.claim(), data="{}") if succeeded else queue.fail(queue.claim(), ERROR)
    delivery = deliveries.claim()

    (deliveries.succeeded if delivered else deliveries.failed)(delivery)

    assert statuses(queue, "a") == then
    assert deliveries.seconds_until_due() is None


def test_a_delivery_is_made_again_after_its_delay(queue, deliveries, clock, add):
    add("a", webhook=WEBHOOK)
    queue.succeed(queue.claim(), data="{}")

    deliveries.retried(deliveries.claim(), delay_seconds=2)

    assert deliveries.claim() is None
    assert deliveries.seconds_until_due() == pytest.approx(2)
    clock.now += 2
    assert deliveries.claim().attempts == 1


def test_what_was_being_delivered_when_the_process_ended_is_delivered_again(
    tmp_path, queue, database, deliveries, clock, add
):
    add("a", webhook=WEBHOOK)
    queue.succeed(queue.claim(), data="{}")
    deliveries.claim()
    database.close()

    with contextlib.closing(Database.open(tmp_path / "queue.sqlite3")) as again:
        assert Deliveries(again, clock=clock).claim().data == "{}"


@pytest.mark.parametrize("how", ["cancel", "expire"])
def test_what_never_ran_is_not_delivered(queue, deliveries, clock, add, how):
    add("a", webhook=WEBHOOK, max_time_in_queue_seconds=10)
    if how == "cancel":
        queue.cancel("a")
    else:
        clock.now += 10

    assert statuses(queue, "a")[1] == WebhookStatus.CANCELED
    assert deliveries.claim() is None


def test_a_request_is_known_until_an_hour_after_its_delivery(queue, deliveries, clock, add):
    add("a", webhook=WEBHOOK)
    queue.succeed(queue.claim(), data="{}")
    clock.now += 5_000
    deliveries.succeeded(deliveries.claim())

    clock.now += 3_599
    assert queue.find("a") is not None
    clock.now += 1

    assert queue.find("a") is None
