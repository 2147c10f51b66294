-- Every statement the queue runs, each under its name.
--
-- A request's phase is what the queue does with it, and due_at when the next thing happens by
-- itself: ready (expires, where it is QUEUED), delayed (ready again), running (its claim expires),
-- ended (is forgotten). 9e999 is never.

-- name: create_requests
CREATE TABLE requests (
    sequence INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    deployment_id TEXT NOT NULL,
    priority INTEGER NOT NULL,
    status TEXT NOT NULL,
    phase TEXT NOT NULL,
    due_at REAL NOT NULL,
    created_at REAL NOT NULL,
    status_at REAL NOT NULL,
    started_at REAL,
    expires_at REAL NOT NULL,
    max_attempts INTEGER NOT NULL,
    initial_delay_ms INTEGER NOT NULL,
    max_delay_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT,
    webhook_endpoint TEXT,
    webhook_status TEXT NOT NULL,
    is_chain INTEGER NOT NULL,
    name TEXT,
    result_key TEXT,
    model_input TEXT NOT NULL
) STRICT

-- name: create_ready
CREATE INDEX ready ON requests (priority, sequence) WHERE phase = 'ready'

-- name: create_due
CREATE INDEX due ON requests (phase, due_at)

-- name: create_counts
-- Kept by the triggers below: counting a hundred thousand rows takes its time.
CREATE TABLE counts (status TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT

-- name: create_count_added
CREATE TRIGGER count_added AFTER INSERT ON requests BEGIN
    INSERT INTO counts VALUES (new.status, 1)
    ON CONFLICT (status) DO UPDATE SET count = count + 1;
END

-- name: create_count_moved
CREATE TRIGGER count_moved AFTER UPDATE OF status ON requests WHEN old.status != new.status BEGIN
    UPDATE counts SET count = count - 1 WHERE status = old.status;
    INSERT INTO counts VALUES (new.status, 1)
    ON CONFLICT (status) DO UPDATE SET count = count + 1;
END

-- name: create_count_forgotten
CREATE TRIGGER count_forgotten AFTER DELETE ON requests BEGIN
    UPDATE counts SET count = count - 1 WHERE status = old.status;
END

-- name: create_deliveries
CREATE TABLE deliveries (
    sequence INTEGER PRIMARY KEY REFERENCES requests (sequence),
    is_running INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    data TEXT
) STRICT

-- name: create_deliveries_due
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE is_running = 0

-- name: recover_requests
-- What ran when the process ended is taken up again; it has used no attempt.
UPDATE requests SET phase = 'ready', due_at = 9e999 WHERE phase = 'running'

-- name: recover_deliveries
UPDATE deliveries SET is_running = 0 WHERE is_running = 1

-- name: add
INSERT INTO requests (
    request_id, deployment_id, priority, status, phase, due_at, created_at, status_at, expires_at,
    max_attempts, initial_delay_ms, max_delay_ms, webhook_endpoint, webhook_status, is_chain,
    name, model_input
) VALUES (
    :request_id, :deployment_id, :priority, 'QUEUED', 'ready', :expires_at, :created_at,
    :created_at, :expires_at, :max_attempts, :initial_delay_ms, :max_delay_ms, :webhook_endpoint,
    iif(:webhook_endpoint IS NULL, 'NO_WEBHOOK_PROVIDED', 'PENDING'), :is_chain,
    :name, :model_input
)

-- name: claim
-- Left to itself, SQLite sorts all that waits.
UPDATE requests SET
    phase = 'running', due_at = :claimed_until, claims = claims + 1,
    started_at = coalesce(started_at, :now),
    status_at = iif(status = 'QUEUED', :now, status_at),
    status = 'IN_PROGRESS'
WHERE sequence IN (
    SELECT sequence FROM requests INDEXED BY ready
    WHERE phase = 'ready' ORDER BY priority, sequence LIMIT :limit
)
RETURNING *

-- name: next_due
SELECT iif(
    EXISTS (SELECT 1 FROM requests WHERE phase = 'ready'), -9e999,
    (SELECT min(due_at) FROM requests WHERE phase = 'delayed')
)

-- name: put_back
UPDATE requests SET phase = 'delayed', due_at = :due_at
WHERE request_id = :request_id AND phase = 'running' AND claims = :claims

-- name: retry
UPDATE requests SET
    phase = 'delayed', due_at = :due_at, attempts = attempts + 1,
    error_code = :error_code, error_message = :error_message
WHERE request_id = :request_id AND phase = 'running' AND claims = :claims

-- name: finish
-- The input is not kept any longer than it is needed, the request not before its webhook is done.
UPDATE requests SET
    phase = 'ended', due_at = iif(webhook_endpoint IS NULL, :forget_at, 9e999),
    attempts = attempts + 1, status = :status, status_at = :now, model_input = '',
    error_code = :error_code, error_message = :error_message, result_key = :result_key
WHERE request_id = :request_id AND phase = 'running' AND claims = :claims

-- name: add_delivery
INSERT INTO deliveries (sequence, due_at, data)
SELECT sequence, :now, :data FROM requests
WHERE request_id = :request_id AND webhook_endpoint IS NOT NULL

-- name: cancel
UPDATE requests SET
    phase = 'ended', due_at = :forget_at, status = 'CANCELED', status_at = :now, model_input = '',
    webhook_status = iif(webhook_status = 'PENDING', 'CANCELED', webhook_status)
WHERE request_id = :request_id AND status = 'QUEUED'

-- name: expire
UPDATE requests SET
    phase = 'ended', due_at = expires_at + :known_seconds, status = 'EXPIRED',
    status_at = expires_at, model_input = '',
    webhook_status = iif(webhook_status = 'PENDING', 'CANCELED', webhook_status)
WHERE sequence IN (
    SELECT sequence FROM requests WHERE phase = 'ready' AND due_at <= :now
    ORDER BY due_at LIMIT :limit
)

-- name: expire_request
UPDATE requests SET
    phase = 'ended', due_at = expires_at + :known_seconds, status = 'EXPIRED',
    status_at = expires_at, model_input = '',
    webhook_status = iif(webhook_status = 'PENDING', 'CANCELED', webhook_status)
WHERE request_id = :request_id AND phase = 'ready' AND due_at <= :now

-- name: has_expired
SELECT EXISTS (SELECT 1 FROM requests WHERE phase = 'ready' AND due_at <= :now)

-- name: wake_delayed
UPDATE requests SET phase = 'ready', due_at = 9e999
WHERE sequence IN (
    SELECT sequence FROM requests WHERE phase = 'delayed' AND due_at <= :now
    ORDER BY due_at LIMIT :limit
)

-- name: take_back
UPDATE requests SET phase = 'ready', due_at = 9e999 WHERE phase = 'running' AND due_at <= :now

-- name: forget
DELETE FROM requests WHERE sequence IN (
    SELECT sequence FROM requests WHERE phase = 'ended' AND due_at <= :now
    ORDER BY due_at LIMIT :limit
)

-- name: next_change
SELECT min(due_at) FROM (
    SELECT min(due_at) AS due_at FROM requests WHERE phase = 'ready'
    UNION ALL SELECT min(due_at) FROM requests WHERE phase = 'delayed'
    UNION ALL SELECT min(due_at) FROM requests WHERE phase = 'running'
    UNION ALL SELECT min(due_at) FROM requests WHERE phase = 'ended'
)

-- name: vacuum
-- A page: of more, Python's sqlite3 would take the first step alone.
PRAGMA incremental_vacuum (1)

-- name: free_pages
SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count

-- name: find
SELECT * FROM requests
WHERE request_id = :request_id AND NOT (phase = 'ended' AND due_at <= :now)

-- name: latest
-- Without an index of its own, which every request would pay for: among what runs, what is next,
-- and what has ended last. Without the input: it can be long.
SELECT
    request_id, deployment_id, priority, status, created_at, status_at, started_at, expires_at,
    max_attempts, initial_delay_ms, max_delay_ms, attempts, claims, error_code, error_message,
    webhook_endpoint, webhook_status, is_chain, name, result_key, '' AS model_input
FROM requests
WHERE sequence IN (
    SELECT * FROM (
        SELECT sequence FROM requests WHERE phase IN ('running', 'delayed') LIMIT :looked_at
    )
    UNION ALL
    SELECT * FROM (
        SELECT sequence FROM requests INDEXED BY ready
        WHERE phase = 'ready' ORDER BY priority, sequence LIMIT :limit
    )
    UNION ALL
    SELECT * FROM (
        SELECT sequence FROM requests WHERE phase = 'ended' ORDER BY due_at DESC LIMIT :looked_at
    )
)
AND status IN (SELECT value FROM json_each(:statuses))
ORDER BY status_at DESC LIMIT :limit

-- name: counts
SELECT status, count FROM counts

-- name: count_unfinished
SELECT total(count) FROM counts WHERE status IN ('QUEUED', 'IN_PROGRESS')

-- name: claim_delivery
UPDATE deliveries SET is_running = 1
WHERE sequence = (
    SELECT sequence FROM deliveries WHERE is_running = 0 AND due_at <= :now
    ORDER BY due_at LIMIT 1
)
RETURNING sequence

-- name: find_delivery
SELECT
    request_id, deployment_id, webhook_endpoint AS endpoint, data, error_code, error_message,
    status_at AS ended_at, deliveries.attempts
FROM deliveries JOIN requests USING (sequence) WHERE sequence = :sequence

-- name: next_delivery_due
SELECT min(due_at) FROM deliveries WHERE is_running = 0

-- name: retry_delivery
UPDATE deliveries SET is_running = 0, due_at = :due_at, attempts = attempts + 1
WHERE sequence = (SELECT sequence FROM requests WHERE request_id = :request_id)

-- name: delete_delivery
DELETE FROM deliveries
WHERE sequence = (SELECT sequence FROM requests WHERE request_id = :request_id)

-- name: end_delivery
-- Of a request that has failed anyway, the status stays.
UPDATE requests SET
    webhook_status = :webhook_status, due_at = :forget_at,
    status_at = iif(status = 'SUCCEEDED' AND :webhook_status = 'FAILED', :now, status_at),
    status = iif(status = 'SUCCEEDED' AND :webhook_status = 'FAILED', 'WEBHOOK_FAILED', status)
WHERE request_id = :request_id AND phase = 'ended' AND webhook_status = 'PENDING'
