"""The journal's SQL, a name per query."""

CREATE_ABOUT = "CREATE TABLE IF NOT EXISTS about (job TEXT NOT NULL, root TEXT NOT NULL)"

CREATE_ENTRIES = """
CREATE TABLE IF NOT EXISTS entries (
    item         TEXT PRIMARY KEY,
    key          TEXT,              -- null until the request's id is known, where it needs it
    digest       TEXT,              -- of the input; null until it has been read
    path         TEXT NOT NULL,
    size         INTEGER NOT NULL,
    request_id   TEXT,              -- of the latest submit; null while no answer has come
    submitted_at REAL NOT NULL,     -- seconds since the epoch
    state        TEXT NOT NULL,
    existed      INTEGER NOT NULL,  -- the key may hold an earlier result: compare fingerprints
    code         TEXT,
    message      TEXT
) WITHOUT ROWID
"""

INSERT_ABOUT = """
INSERT INTO about (job, root) SELECT :job, :root WHERE NOT EXISTS (SELECT 1 FROM about)
"""

SELECT_ABOUT = "SELECT job, root FROM about"

# An earlier submit of another input may still be running: then what appears may be its result.
BEGIN_SUBMIT = """
INSERT INTO entries (item, key, digest, path, size, submitted_at, state, existed)
VALUES (:item, :key, :digest, :path, :size, :submitted_at, 'sending', :existed)
ON CONFLICT (item) DO UPDATE SET
    existed = excluded.existed OR (entries.digest IS NOT excluded.digest)
        OR (entries.existed AND entries.state IN ('sending', 'sent')),
    key = excluded.key, digest = excluded.digest, path = excluded.path, size = excluded.size,
    request_id = NULL, submitted_at = excluded.submitted_at, state = 'sending',
    code = NULL, message = NULL
"""

END_SUBMIT = """
UPDATE entries SET request_id = :request_id, key = :key, state = 'sent' WHERE item = :item
"""

# Not where the item has been submitted again since.
SETTLE = """
UPDATE entries SET state = :state, code = :code, message = :message
WHERE item = :item AND request_id IS :request_id
"""

SELECT_ENTRIES = """
SELECT item, key, digest, path, size, request_id, submitted_at, state, existed, code, message
FROM entries ORDER BY item
"""

COUNT_STATES = "SELECT state, count(*) FROM entries GROUP BY state"

LAST_SUBMIT = "SELECT max(submitted_at) FROM entries"
