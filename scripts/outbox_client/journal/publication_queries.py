"""The SQL of what is published of a journal, a name per query."""

NEWS = """
INSERT INTO unpublished (item, is_plan)
SELECT item, 1 FROM sources
UNION ALL
SELECT item, 0 FROM entries
WHERE request_id IS NOT NULL OR state IN ('failed', 'expired', 'canceled')
"""

TABLES = (
    """
    CREATE TABLE unpublished (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,  -- two processes may publish at once
        item    TEXT NOT NULL,
        is_plan INTEGER NOT NULL                    -- its source; else how its request stands
    )
    """,
    # The objects that were read, or written from here.
    "CREATE TABLE parts (name TEXT PRIMARY KEY) WITHOUT ROWID",
    # One for each run that sends; `unlisted` of its items are in none of its parts so far.
    """
    CREATE TABLE senders (
        sender   TEXT PRIMARY KEY,
        number   INTEGER NOT NULL,  -- of its last part
        planned  INTEGER NOT NULL,
        sent     INTEGER NOT NULL,
        unlisted INTEGER NOT NULL,
        ended    INTEGER NOT NULL,
        seen_at  REAL NOT NULL,     -- seconds since the epoch, by the bucket's clock
        is_mine  INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE elsewhere (
        item       TEXT PRIMARY KEY,
        sender     TEXT NOT NULL,
        key        TEXT,
        place      TEXT NOT NULL,
        size       INTEGER NOT NULL,
        attempts   INTEGER NOT NULL,
        options    TEXT NOT NULL,
        inputs     TEXT NOT NULL,
        labels     TEXT NOT NULL,
        has_inputs INTEGER NOT NULL
    )
    """,
    # Whose sources those of an item are, where they are another machine's.
    """
    CREATE TABLE origins (
        item       TEXT PRIMARY KEY,
        sender     TEXT NOT NULL,
        has_inputs INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    NEWS,  # of before there was this table
    """
    CREATE TRIGGER source_is_news AFTER INSERT ON sources BEGIN
        INSERT INTO unpublished (item, is_plan) VALUES (new.item, 1);
        DELETE FROM elsewhere WHERE item = new.item;
        DELETE FROM origins WHERE item = new.item;
    END
    """,
    """
    CREATE TRIGGER request_is_news AFTER UPDATE OF request_id ON entries
    WHEN new.request_id IS NOT NULL AND new.request_id IS NOT old.request_id BEGIN
        INSERT INTO unpublished (item, is_plan) VALUES (new.item, 0);
    END
    """,
    """
    CREATE TRIGGER end_is_news AFTER UPDATE OF state ON entries
    WHEN new.state IN ('failed', 'expired', 'canceled') AND new.state <> old.state BEGIN
        INSERT INTO unpublished (item, is_plan) VALUES (new.item, 0);
    END
    """,
)

SELECT_UNPUBLISHED = """
SELECT number, is_plan, entries.*, labels, options, origins.sender AS origin,
    CASE WHEN is_plan AND coalesce(has_inputs, 1) THEN inputs END AS inputs
FROM unpublished JOIN entries USING (item) JOIN batches ON batches.id = entries.batch
JOIN sources USING (item) LEFT JOIN origins USING (item)
WHERE number > :after ORDER BY number LIMIT :limit
"""

COUNT_UNLISTED = "SELECT count(*) FROM unpublished WHERE is_plan AND number > :after"

LAST_NEWS = "SELECT coalesce(max(number), 0) FROM unpublished"

FORGET_NEWS = "DELETE FROM unpublished WHERE number > :after AND number <= :until"

NOTE_PART = "INSERT OR IGNORE INTO parts (name) VALUES (:name)"

NOTE_SENDER = """
INSERT INTO senders (sender, number, planned, sent, unlisted, ended, seen_at, is_mine)
VALUES (:sender, :number, :planned, :sent, :unlisted, :ended, :seen_at, :is_mine)
ON CONFLICT (sender) DO UPDATE SET
    number = excluded.number, planned = excluded.planned, sent = excluded.sent,
    unlisted = excluded.unlisted, ended = excluded.ended, seen_at = excluded.seen_at
WHERE excluded.number > senders.number
"""

SELECT_UNREAD = """
SELECT value FROM json_each(:names) WHERE value NOT IN (SELECT name FROM parts)
"""

SELECT_SENDERS = "SELECT * FROM senders ORDER BY seen_at, sender"

SELECT_ANNOUNCED = """
SELECT sender FROM senders WHERE is_mine AND NOT ended AND number = 0 AND sent = 0
ORDER BY seen_at DESC LIMIT 1
"""

SUM_UNLISTED = """
SELECT coalesce(sum(unlisted), 0) FROM senders AS stopped
WHERE NOT is_mine AND NOT EXISTS (
    SELECT 1 FROM senders
    WHERE seen_at > stopped.seen_at AND planned >= stopped.unlisted AND unlisted = 0
)
"""

SELECT_KNOWN = """
SELECT entries.*, origins.sender AS origin, has_inputs,
    EXISTS (SELECT 1 FROM sources WHERE sources.item = entries.item) AS has_source
FROM entries LEFT JOIN origins USING (item) WHERE entries.item = :item
"""

IS_MINE = "SELECT 1 FROM senders WHERE sender = :sender AND is_mine"

PUT_ELSEWHERE = """
INSERT OR REPLACE INTO elsewhere
    (item, sender, key, place, size, attempts, options, inputs, labels, has_inputs)
VALUES (:item, :sender, :key, :place, :size, :attempts, :options, :inputs, :labels, :has_inputs)
"""

SELECT_ELSEWHERE = "SELECT * FROM elsewhere WHERE item = :item"

SELECT_SOME_ELSEWHERE = """
SELECT elsewhere.*, coalesce(ended, 0) AS ended, coalesce(seen_at, 0) AS seen_at
FROM elsewhere LEFT JOIN senders USING (sender) ORDER BY item LIMIT :limit
"""

DELETE_ELSEWHERE = "DELETE FROM elsewhere WHERE item = :item AND attempts < :attempts"

PUT_ENTRY = """
INSERT INTO entries (item, key, digest, place, size, batch, request_id, submitted_at, attempts,
    state, existed, code, message, retryable, ended_at)
VALUES (:item, :key, :digest, :place, :size, :batch, :request_id, :submitted_at, :attempts,
    :state, :existed, :code, :message, :retryable, :ended_at)
ON CONFLICT (item) DO UPDATE SET
    existed = excluded.existed OR (entries.digest IS NOT NULL
        AND entries.digest IS NOT excluded.digest),
    key = excluded.key, digest = excluded.digest, place = excluded.place, size = excluded.size,
    batch = excluded.batch, request_id = excluded.request_id,
    submitted_at = excluded.submitted_at, attempts = excluded.attempts, state = excluded.state,
    code = excluded.code, message = excluded.message, retryable = excluded.retryable,
    ended_at = excluded.ended_at
"""

# What was sent and not told is found by listing; all else is sent again by `resume`.
PLAN_ELSEWHERE = """
INSERT INTO entries (item, key, place, size, batch, submitted_at, attempts, state, existed)
VALUES (:item, :key, :place, :size, :batch, :submitted_at, :attempts, :state, 0)
ON CONFLICT (item) DO UPDATE SET
    existed = entries.existed AND entries.state IN ('planned', 'sending', 'sent'),
    key = excluded.key, place = excluded.place, size = excluded.size, batch = excluded.batch,
    submitted_at = max(entries.submitted_at, excluded.submitted_at),
    request_id = NULL, state = excluded.state, code = NULL, message = NULL
WHERE entries.state NOT IN ('planned', 'sending')
"""

PUT_SOURCE = """
INSERT OR REPLACE INTO sources (item, inputs, labels) VALUES (:item, :inputs, :labels)
"""

PUT_ORIGIN = """
INSERT OR REPLACE INTO origins (item, sender, has_inputs) VALUES (:item, :sender, :has_inputs)
"""

SELECT_ORIGIN = """
SELECT sender, has_inputs, digest FROM origins JOIN entries USING (item) WHERE item = :item
"""

INSERT_BATCH = "INSERT OR IGNORE INTO batches (options) VALUES (:options)"

SELECT_BATCH = "SELECT id FROM batches WHERE options = :options"

STAGE_SOURCE = "UPDATE sources SET inputs = :inputs WHERE item = :item AND inputs <> :inputs"

NOTE_PLAN = "INSERT INTO unpublished (item, is_plan) VALUES (:item, 1)"
