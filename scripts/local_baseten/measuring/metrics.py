"""The metrics that Baseten exports of a deployment, by the same names and labels."""

import functools
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..settings import SERVED_ID

_CALL_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600)
_QUEUE_BUCKETS = (*_CALL_BUCKETS, 4 * 3_600, 24 * 3_600, 72 * 3_600)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


class Metrics:
    """Of one deployment, which serves whatever deployment a path names."""

    def __init__(self, *, model_name: str) -> None:
        self._registry = CollectorRegistry()
        self._labels = _deployment_labels(model_name)
        answer_labels = (*self._labels, "status_code", "is_async")
        self._requests = Counter(
            "baseten_inference_requests",
            "Requests the model has answered; of an async one, each attempt.",
            answer_labels,
            registry=self._registry,
        )
        self._response_time = Histogram(
            "baseten_end_to_end_response_time_seconds",
            "From the call to the answer; of an async request, without its time in the queue.",
            answer_labels,
            registry=self._registry,
            buckets=_CALL_BUCKETS,
        )
        # A label's metrics are looked up once: it takes longer than to count.
        self._answers = functools.cache(self._new_answers)
        self._webhooks = self._new(
            Counter, "baseten_async_webhook_requests", "Attempts to deliver a webhook."
        )
        self._webhook_latency = self._new(
            Histogram,
            "baseten_async_webhook_latency_seconds",
            "How long an attempt to deliver a webhook took.",
            buckets=_CALL_BUCKETS,
        )
        self._time_in_queue = self._new(
            Histogram,
            "baseten_time_in_async_queue_seconds",
            "From the submission of an async request to its first attempt.",
            buckets=_QUEUE_BUCKETS,
        )
        self._queue_size = self._new(
            Gauge, "baseten_async_queue_size", "Async requests that are queued."
        )

    def queued(self, count: int) -> None:
        self._queue_size.set(count)

    def left_queue(self, seconds: float) -> None:
        self._time_in_queue.observe(seconds)

    def answered(self, seconds: float, *, status: int, is_async: bool) -> None:
        requests, response_time = self._answers(status, is_async)
        requests.inc()
        response_time.observe(seconds)

    def webhook_sent(self, seconds: float) -> None:
        self._webhooks.inc()
        self._webhook_latency.observe(seconds)

    def exposition(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

    def _new_answers(self, status: int, is_async: bool) -> tuple[Counter, Histogram]:
        labels = {**self._labels, "status_code": str(status), "is_async": str(is_async).lower()}
        return self._requests.labels(**labels), self._response_time.labels(**labels)

    def _new(self, kind: type[_Metric], name: str, documentation: str, **options: Any) -> _Metric:
        labels = tuple(self._labels)
        metric = kind(name, documentation, labels, registry=self._registry, **options)
        return metric.labels(**self._labels)


def _deployment_labels(model_name: str) -> dict[str, str]:
    return {
        "model_id": SERVED_ID,
        "model_name": model_name,
        "deployment_id": SERVED_ID,
        "environment": "production",
        "rollout_phase": "stable",
    }
