"""The journal's SQL, a name per query."""

VERSION = 5
"""Of the tables, kept as SQLite's `user_version`."""

VERSION_WITHOUT_ENDPOINT, VERSION_WITHOUT_TALLIES = 3, 4

READABLE_VERSIONS = {VERSION, VERSION_WITHOUT_ENDPOINT, VERSION_WITHOUT_TALLIES}

GET_VERSION = "PRAGMA user_version"

# A million entries are half a gigabyte: each question has an index that holds little more than its
# answer. SQLite alone would take that of the state for all of them.
INDEXES = """
CREATE INDEX IF NOT EXISTS entries_by_state ON entries (state, item);
CREATE INDEX IF NOT EXISTS entries_by_key ON entries (key);
CREATE INDEX IF NOT EXISTS entries_by_submit ON entries (submitted_at) WHERE submitted_at > 0;
CREATE INDEX IF NOT EXISTS entries_not_sent ON entries (item) WHERE code = 'NOT_SENT';
-- In the order in which the bucket lists their manifests, which is not that of the keys.
CREATE INDEX IF NOT EXISTS open_by_manifest
    ON entries (key || '.json') WHERE state IN ('sending', 'sent');
CREATE INDEX IF NOT EXISTS sent_by_time ON entries (submitted_at, item) WHERE state = 'sent';
CREATE INDEX IF NOT EXISTS results_by_end ON entries (ended_at) WHERE state = 'succeeded';
CREATE INDEX IF NOT EXISTS results_by_number ON entries (found) WHERE state = 'succeeded';
"""

# How many items there are of each kind, so that nobody has to count them.
TALLIES = """
CREATE TABLE IF NOT EXISTS tallies (
    state     TEXT NOT NULL,
    code      TEXT NOT NULL,        -- empty where it has none
    retryable INTEGER NOT NULL,
    items     INTEGER NOT NULL,
    PRIMARY KEY (state, code, retryable)
) WITHOUT ROWID;
INSERT OR REPLACE INTO tallies
    SELECT state, coalesce(code, ''), coalesce(retryable, 0), count(*)
    FROM entries GROUP BY 1, 2, 3;
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entries BEGIN
    INSERT INTO tallies VALUES (new.state, coalesce(new.code, ''), coalesce(new.retryable, 0), 1)
        ON CONFLICT (state, code, retryable) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER IF NOT EXISTS entry_removed AFTER DELETE ON entries BEGIN
    UPDATE tallies SET items = items - 1 WHERE state = old.state
        AND code = coalesce(old.code, '') AND retryable = coalesce(old.retryable, 0);
END;
CREATE TRIGGER IF NOT EXISTS entry_changed
AFTER UPDATE OF state, code, retryable ON entries
WHEN old.state IS NOT new.state OR old.code IS NOT new.code OR old.retryable IS NOT new.retryable
BEGIN
    UPDATE tallies SET items = items - 1 WHERE state = old.state
        AND code = coalesce(old.code, '') AND retryable = coalesce(old.retryable, 0);
    INSERT INTO tallies VALUES (new.state, coalesce(new.code, ''), coalesce(new.retryable, 0), 1)
        ON CONFLICT (state, code, retryable) DO UPDATE SET items = items + 1;
END;
-- The number of the result that was found last.
CREATE TABLE IF NOT EXISTS findings (latest INTEGER NOT NULL);
INSERT INTO findings SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM findings);
"""

CREATE = f"""
CREATE TABLE about (job TEXT NOT NULL, root TEXT NOT NULL, endpoint TEXT NOT NULL);

CREATE TABLE batches (
    id      INTEGER PRIMARY KEY,
    options TEXT NOT NULL UNIQUE    -- JSON: labels, inputs, priority, …
);

CREATE TABLE entries (
    item         TEXT PRIMARY KEY,
    key          TEXT,              -- null until the request's id is known, where it needs it
    digest       TEXT,              -- of the input; null until it has been sent once
    place        TEXT NOT NULL,     -- where it comes from: a file, an object, a row
    size         INTEGER NOT NULL,
    batch        INTEGER NOT NULL,
    request_id   TEXT,              -- of the latest submit; null while no answer has come
    submitted_at REAL NOT NULL,     -- seconds since the epoch; 0 before the first submit
    attempts     INTEGER NOT NULL,  -- how often it was submitted
    state        TEXT NOT NULL,
    existed      INTEGER NOT NULL,  -- the key may hold an earlier result: compare fingerprints
    code         TEXT,
    message      TEXT,
    retryable    INTEGER,           -- whether sending what has ended again may help
    ended_at     REAL,              -- seconds since the epoch, by the clock of who ended it
    found        INTEGER            -- results are numbered as they are found; 0 in old journals
) WITHOUT ROWID;

-- What an item is sent with; apart, so that a look at the entries stays small.
CREATE TABLE sources (
    item   TEXT PRIMARY KEY,
    inputs TEXT NOT NULL,           -- JSON: fields of the model's input
    labels TEXT NOT NULL            -- JSON
);
{INDEXES}{TALLIES}
PRAGMA user_version = {VERSION};
"""

ADD_FOUND = "ALTER TABLE entries ADD COLUMN found INTEGER"

SET_FOUND = "UPDATE entries SET found = 0 WHERE state = 'succeeded' AND found IS NULL"

UPGRADE = f"""
{INDEXES}{TALLIES}
PRAGMA user_version = {VERSION};
"""

INSERT_ABOUT = "INSERT INTO about (job, root, endpoint) VALUES (:job, :root, :endpoint)"

SELECT_ABOUT = "SELECT * FROM about"

ADD_ENDPOINT = "ALTER TABLE about ADD COLUMN endpoint TEXT NOT NULL DEFAULT ''"

SET_ABOUT = "UPDATE about SET job = :job, root = :root, endpoint = :endpoint"

INSERT_BATCH = "INSERT OR IGNORE INTO batches (options) VALUES (:options)"

SELECT_BATCH = "SELECT id FROM batches WHERE options = :options"

# An earlier submit of another input may still be running: then what appears may be its result.
PLAN = """
INSERT INTO entries (item, key, place, size, batch, submitted_at, attempts, state, existed)
VALUES (:item, :key, :place, :size, :batch, 0, 0, 'planned', 0)
ON CONFLICT (item) DO UPDATE SET
    existed = entries.existed AND entries.state IN ('planned', 'sending', 'sent'),
    key = excluded.key, place = excluded.place, size = excluded.size, batch = excluded.batch,
    request_id = NULL, state = 'planned', code = NULL, message = NULL
"""

PLAN_SOURCE = """
INSERT OR REPLACE INTO sources (item, inputs, labels) VALUES (:item, :inputs, :labels)
"""

FORGET = tuple(
    f"DELETE FROM {table} WHERE item = :item"  # noqa: S608  # names of our own
    for table in ("entries", "sources", "unpublished", "elsewhere", "origins")
)

MARK_EXISTING = "UPDATE entries SET existed = 1 WHERE key = :key AND state = 'planned'"

BEGIN_SUBMIT = """
UPDATE entries SET
    existed = existed OR (digest IS NOT NULL AND digest <> :digest),
    key = :key, digest = :digest, size = :size, submitted_at = :submitted_at,
    attempts = attempts + 1, request_id = NULL, state = 'sending', code = NULL, message = NULL
WHERE item = :item AND state != 'succeeded'
"""

# Its result may have been seen before the answer came.
END_SUBMIT = """
UPDATE entries SET request_id = :request_id, key = :key, code = NULL, message = NULL,
    state = CASE state WHEN 'succeeded' THEN state ELSE 'sent' END
WHERE item = :item
"""

# Not where the item has been submitted again since, nor where its result has been found.
SETTLE = """
UPDATE entries SET state = :state, code = :code, message = :message,
    retryable = :retryable, ended_at = :ended_at
WHERE item = :item AND request_id IS :request_id AND state != 'succeeded'
"""

SELECT_ENTRIES = """
SELECT * FROM entries WHERE item >= :start ORDER BY item LIMIT :page
"""

# One for each state, joined: a walk along the index each, so that other states cost nothing.
SELECT_ENTRIES_OF_STATE = """
SELECT * FROM (
    SELECT * FROM entries WHERE state = :state{number} AND item >= :start ORDER BY item LIMIT :page
)
"""

SELECT_ENTRIES_OF_KEYS = """
SELECT * FROM entries WHERE key IN (SELECT value FROM json_each(:values)) ORDER BY item
"""

SELECT_ENTRIES_OF_ITEMS = """
SELECT * FROM entries WHERE item IN (SELECT value FROM json_each(:values)) ORDER BY item
"""

# What was begun and never answered is sent again: first-writer-wins makes the two one. A walk along
# an index each, so that what has ended costs nothing.
SELECT_UNSENT = """
SELECT item, key FROM (
    SELECT item FROM (
        SELECT item FROM entries WHERE state = 'planned' AND item >= :start
        ORDER BY item LIMIT :page
    ) UNION SELECT item FROM (
        SELECT item FROM entries WHERE state = 'sending' AND item >= :start
        ORDER BY item LIMIT :page
    ) UNION SELECT item FROM (
        SELECT item FROM entries WHERE code = 'NOT_SENT' AND item >= :start
        ORDER BY item LIMIT :page
    ) ORDER BY item LIMIT :page
) CROSS JOIN entries USING (item) ORDER BY item
"""

SELECT_PLANNED = """
SELECT entries.item, key, place, size, inputs, labels, options
FROM entries JOIN batches ON batches.id = entries.batch JOIN sources ON sources.item = entries.item
WHERE entries.item = :item
"""

COUNT_STATES = "SELECT state, sum(items) FROM tallies WHERE items > 0 GROUP BY state"

COUNT_STATES_WITHOUT_TALLIES = "SELECT state, count(*) FROM entries GROUP BY state"

LAST_SUBMIT = "SELECT max(submitted_at) FROM entries WHERE submitted_at > 0"

COUNT_UNSENT = """
SELECT coalesce(sum(items), 0) FROM tallies
WHERE state IN ('planned', 'sending') OR code = 'NOT_SENT'
"""

GET_LATEST_FINDING = "SELECT latest FROM findings"

SET_LATEST_FINDING = "UPDATE findings SET latest = :latest"

SUCCEED = """
UPDATE entries SET state = 'succeeded', code = NULL, message = NULL, ended_at = :ended_at,
    found = :found
WHERE item = :item AND request_id IS :request_id AND state != 'succeeded'
"""

SELECT_FOUND = """
SELECT found, item, key FROM entries INDEXED BY results_by_number
WHERE state = 'succeeded' AND (found, item) > (:found, :item) ORDER BY found, item LIMIT :page
"""

SELECT_OPEN_KEYS = """
SELECT key FROM entries INDEXED BY open_by_manifest
WHERE state IN ('sending', 'sent') AND key || '.json' > :after ORDER BY key || '.json' LIMIT :page
"""

HAS_KEY = "SELECT 1 FROM entries WHERE key = :key"

GET_DIGEST = "SELECT digest FROM entries WHERE key = :key AND digest IS NOT NULL"

SELECT_OPEN_OF_KEYS = """
SELECT item, entries.key, request_id, digest, submitted_at, state, existed
FROM json_each(:values) CROSS JOIN entries ON entries.key = value
WHERE state IN ('sending', 'sent')
"""

# A clock that was set back makes a submit look as if it were yet to come.
SELECT_LONGEST_SENT = """
SELECT * FROM entries INDEXED BY sent_by_time
WHERE state = 'sent' AND (submitted_at <= :before OR submitted_at > :now)
ORDER BY submitted_at LIMIT :limit
"""

SELECT_UNANSWERED = """
SELECT * FROM entries
WHERE state = 'sending' AND (submitted_at <= :before OR submitted_at > :now) LIMIT :limit
"""

SELECT_LATEST_SENT = """
SELECT * FROM entries INDEXED BY sent_by_time
WHERE state = 'sent' AND (submitted_at, item) < (:before, :item)
ORDER BY submitted_at DESC, item DESC LIMIT :limit
"""

REOPEN_UNKNOWN = """
UPDATE entries SET state = CASE WHEN request_id IS NULL THEN 'sending' ELSE 'sent' END
WHERE state = 'unknown'
"""

COUNT_CODES = """
SELECT coalesce(nullif(code, ''), upper(state)) AS code, sum(items) AS count,
    sum(items * retryable) AS retryable
FROM tallies WHERE items > 0 AND state IN ('failed', 'expired', 'unknown')
GROUP BY 1 ORDER BY 2 DESC, 1
"""

# The rate is that since the first submit, where that was less than the time looked at ago.
COUNT_LATE_RESULTS = """
SELECT count(*), (SELECT min(submitted_at) FROM entries WHERE submitted_at > 0)
FROM entries INDEXED BY results_by_end WHERE state = 'succeeded' AND ended_at > :since
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
