from local_baseten.request_queue.request import RetryPolicy


def test_delays_double_up_to_the_longest():
    policy = RetryPolicy(max_attempts=6, initial_delay_ms=1_000, max_delay_ms=5_000)

    delays = [policy.delay_seconds(failed) for failed in range(1, 7)]

    assert delays == [1.0, 2.0, 4.0, 5.0, 5.0, None]


def test_one_attempt_means_no_retry():
    assert RetryPolicy(max_attempts=1).delay_seconds(1) is None


def test_no_delay_stays_no_delay():
    policy = RetryPolicy(max_attempts=10, initial_delay_ms=0)

    assert {policy.delay_seconds(failed) for failed in range(1, 10)} == {0.0}


def test_the_longest_delay_also_bounds_the_first():
    assert RetryPolicy(initial_delay_ms=10_000, max_delay_ms=100).delay_seconds(1) == 0.1
