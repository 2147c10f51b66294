"""The journal's SQL for following a job, a name per query."""

SUCCEED = """
UPDATE entries SET state = 'succeeded', code = NULL, message = NULL, ended_at = :ended_at
WHERE item = :item AND request_id IS :request_id
"""

# Neighbours in the order in which the bucket lists their manifests.
SELECT_LISTING_PAGES = """
SELECT max(path) AS until, max(state IN ('sending', 'sent')) AS is_open
FROM (
    SELECT key || '.json' AS path, state,
        (row_number() OVER (ORDER BY key || '.json') - 1) / :page AS page
    FROM entries WHERE key IS NOT NULL
)
GROUP BY page ORDER BY page
"""

SELECT_OPEN_OF_KEYS = """
SELECT item, entries.key, request_id, digest, submitted_at, state, existed
FROM json_each(:values) CROSS JOIN entries ON entries.key = value
WHERE state IN ('sending', 'sent')
"""

# A clock that was set back makes a submit look as if it were yet to come.
SELECT_LONGEST_SENT = """
SELECT * FROM entries
WHERE state = 'sent' AND (submitted_at <= :before OR submitted_at > :now)
ORDER BY submitted_at LIMIT :limit
"""

SELECT_UNANSWERED = """
SELECT * FROM entries
WHERE state = 'sending' AND (submitted_at <= :before OR submitted_at > :now) LIMIT :limit
"""

SELECT_LATEST_SENT = """
SELECT * FROM entries WHERE state = 'sent' AND (submitted_at, item) < (:before, :item)
ORDER BY submitted_at DESC, item DESC LIMIT :limit
"""

REOPEN_UNKNOWN = """
UPDATE entries SET state = CASE WHEN request_id IS NULL THEN 'sending' ELSE 'sent' END
WHERE state = 'unknown'
"""

COUNT_CODES = """
SELECT coalesce(code, upper(state)) AS code, count(*) AS count,
    coalesce(sum(retryable), 0) AS retryable
FROM entries WHERE state IN ('failed', 'expired', 'canceled', 'unknown')
GROUP BY 1 ORDER BY 2 DESC
"""

# The rate is that since the first submit, where that was less than the time looked at ago.
COUNT_LATE_RESULTS = """
SELECT count(*), (SELECT min(nullif(submitted_at, 0)) FROM entries) FROM entries
WHERE state = 'succeeded' AND ended_at > :since
"""

CANCEL_PLANNED = """
UPDATE entries SET state = 'canceled', code = 'CANCELED', message = 'you canceled it unsent',
    retryable = 0, ended_at = :now
WHERE item = :item AND state = 'planned'
"""

PLAN_AGAIN = """
UPDATE entries SET state = 'planned', request_id = NULL, code = NULL, message = NULL
WHERE item = :item AND state IN ('failed', 'expired', 'canceled', 'unknown')
"""

PLAN_RETRYABLE_AGAIN = """
UPDATE entries SET state = 'planned', request_id = NULL, code = NULL, message = NULL
WHERE retryable AND state IN ('failed', 'expired', 'unknown')
"""
