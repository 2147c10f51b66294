"""What Prometheus sees of the storing side, on the Truss server's own `/metrics`."""

from prometheus_client import Counter, Gauge, Histogram

RESULTS_STORED = Counter("outbox_results_stored", "Results committed by this process")
ARTIFACT_BYTES = Counter("outbox_artifact_bytes", "Bytes of the artifacts of committed results")
UPLOAD_SECONDS = Histogram(
    "outbox_upload_seconds",
    "Storing one result, from its first artifact to the commit",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
PENDING_RESULTS = Gauge("outbox_pending_results", "Results waiting for upload or being uploaded")
STORE_RETRIES = Counter("outbox_store_retries", "Store calls repeated")
INFERENCES_SKIPPED = Counter("outbox_inferences_skipped", "Requests answered by a stored manifest")
RACES_LOST = Counter("outbox_races_lost", "Executions whose equal was committed first")
FAILURES = Counter("outbox_failures", "Executions that stored no result", ["code"])
