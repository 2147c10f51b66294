"""The service's limits, as a service sees them that counts in sliding windows."""

import pytest

from outbox_client import Batch, Deployment, Item, SendingLimits, State, submit
from outbox_client.service.api import Addressee
from outbox_client.service.baseten import connected
from outbox_client.service.limits import Pace
from tests.outbox_client.counting_service import counting_service


@pytest.fixture
def send(bucket, naming, journal):
    """Sends so many small requests to a counting service; returns what that has counted."""

    def send(count, *, limits=None, while_sending=None, **service):
        with (
            counting_service(**service) as counting,
            connected(
                api_key="k", model_id=None, base_url=counting.base_url, addressee=Addressee()
            ) as api,
        ):
            items = (Item(name=str(n), inputs={"text": "x" * 200}) for n in range(count))
            submit(
                items,
                Batch(job=journal.job),
                deployment=Deployment(api=api, bucket=bucket, naming=naming),
                journal=journal,
                limits=limits or SendingLimits(),
            )
            return counting.counted()

    return send


@pytest.mark.parametrize("latency", [pytest.param(0.0, marks=pytest.mark.slow), 0.1])
def test_no_second_sees_more_submits_than_the_limit(send, latency):
    counted = send(500, latency=latency)
    assert counted["submits"]["all"] == 500
    assert counted["submits"]["most"] <= 200
    assert counted["submits"]["rate"] >= 0.2 * 200  # other work may hold this machine up
    assert counted["connections"] <= 64 + 1  # the last asks what was counted


@pytest.mark.slow
@pytest.mark.parametrize("latency", [0.0, 0.05, 0.1])
def test_the_mean_rate_is_close_to_the_limit_where_the_service_keeps_up(send, latency):
    counted = send(6000, latency=latency)
    assert counted["submits"]["most"] <= 200
    assert counted["submits"]["rate"] >= 0.95 * 200
    assert counted["calls"]["most"] <= 20


def test_a_short_queue_is_never_overfilled_and_is_asked_within_the_limit(send):
    counted = send(100, run=0.3, cap=20, limits=SendingLimits(in_flight=20))
    assert counted["most_in_flight"] <= 20
    assert counted["refused"] == 0
    assert counted["calls"]["most"] <= 20
    assert counted["submits"]["all"] == 100


def test_a_service_that_takes_less_than_the_limits_say_is_waited_for(send, journal):
    counted = send(25, run=0.2, cap=5)
    assert counted["refused"] > 0
    assert counted["most_in_flight"] == 5
    assert journal.counts() == {State.SENT: 25}


def test_calls_keep_their_pace_after_a_stall_too(time):
    pace, starts = Pace(4, time.clock), []
    for number in range(40):
        with pace.turn():
            starts.append(time.now)
        if number == 20:
            time.now += 30
    windows = [sum(start <= other < start + 1 for other in starts) for start in starts]
    assert max(windows) == 4
