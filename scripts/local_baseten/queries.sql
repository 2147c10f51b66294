-- Every statement the queue runs, each under its name.

-- name: create_requests
CREATE TABLE IF NOT EXISTS requests (
    sequence INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    deployment_id TEXT NOT NULL,
    model_input TEXT NOT NULL,
    priority INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    status_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    max_attempts INTEGER NOT NULL,
    initial_delay_ms INTEGER NOT NULL,
    max_delay_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    is_running INTEGER NOT NULL DEFAULT 0,
    error_code TEXT,
    error_message TEXT
) STRICT

-- name: create_waiting
CREATE INDEX IF NOT EXISTS waiting ON requests (priority, sequence)
WHERE is_running = 0 AND status IN ('QUEUED', 'IN_PROGRESS')

-- name: create_by_status
CREATE INDEX IF NOT EXISTS by_status ON requests (status, status_at)

-- name: recover
-- What ran when the process ended is taken up again; it has used no attempt.
UPDATE requests SET is_running = 0 WHERE is_running = 1

-- name: add
INSERT INTO requests (
    request_id, deployment_id, model_input, priority, status, created_at, status_at, expires_at,
    max_attempts, initial_delay_ms, max_delay_ms, due_at
) VALUES (
    :request_id, :deployment_id, :model_input, :priority, 'QUEUED', :created_at, :created_at,
    :expires_at, :max_attempts, :initial_delay_ms, :max_delay_ms, :created_at
)

-- name: claim
UPDATE requests SET
    is_running = 1,
    status_at = CASE status WHEN 'QUEUED' THEN :now ELSE status_at END,
    status = 'IN_PROGRESS'
WHERE sequence = (
    SELECT sequence FROM requests
    WHERE is_running = 0 AND status IN ('QUEUED', 'IN_PROGRESS') AND due_at <= :now
    ORDER BY priority, sequence LIMIT 1
)
RETURNING *

-- name: next_due
SELECT MIN(due_at) FROM requests WHERE is_running = 0 AND status IN ('QUEUED', 'IN_PROGRESS')

-- name: put_back
UPDATE requests SET is_running = 0, due_at = :due_at WHERE request_id = :request_id

-- name: retry
UPDATE requests SET
    is_running = 0, attempts = attempts + 1, due_at = :due_at,
    error_code = :error_code, error_message = :error_message
WHERE request_id = :request_id

-- name: finish
-- The input is not kept any longer than it is needed.
UPDATE requests SET
    is_running = 0, attempts = attempts + 1, status = :status, status_at = :now, model_input = '',
    error_code = :error_code, error_message = :error_message
WHERE request_id = :request_id

-- name: cancel
UPDATE requests SET status = 'CANCELED', status_at = :now, model_input = ''
WHERE request_id = :request_id AND status = 'QUEUED'

-- name: expire
UPDATE requests SET status = 'EXPIRED', status_at = expires_at, model_input = ''
WHERE status = 'QUEUED' AND expires_at <= :now

-- name: forget
DELETE FROM requests
WHERE status IN ('SUCCEEDED', 'FAILED', 'EXPIRED', 'CANCELED') AND status_at <= :before

-- name: find
SELECT * FROM requests WHERE request_id = :request_id

-- name: count
SELECT COUNT(*) FROM requests WHERE status = :status
