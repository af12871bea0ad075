-- The catalog: a projection of the pool's log (the first part), and local history (the second part).
-- Times are nanoseconds since 1970-01-01T00:00:00Z. Ids are their text form, hashes are 32 bytes.

-- Facts about the catalog itself: which pool it shows, how far, whether it was closed in order.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Projection: the newest configuration document of every machine, source, group, member, hold, replica mark.
CREATE TABLE configs (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Projection: recovery points that exist.
CREATE TABLE points (
    id        TEXT NOT NULL PRIMARY KEY,
    source    TEXT NOT NULL,
    grouped   TEXT NOT NULL,
    previous  TEXT,
    root      BLOB NOT NULL,
    at        INTEGER NOT NULL,
    level     INTEGER NOT NULL,
    warnings  INTEGER NOT NULL,
    entries   INTEGER NOT NULL,
    files     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    new_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX points_by_source ON points (source, at);

-- Projection: where each member's replica stands.
CREATE TABLE replicas (
    source    TEXT NOT NULL PRIMARY KEY,
    root      BLOB NOT NULL,
    synced_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Local: what a replica is doing now. What has to survive the catalog is a configuration document.
CREATE TABLE replica_states (
    source TEXT NOT NULL PRIMARY KEY,
    state  TEXT NOT NULL,
    doubt  TEXT,
    since  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Local: jobs, as rows with steps.
CREATE TABLE jobs (
    number       INTEGER PRIMARY KEY AUTOINCREMENT, -- the order they were asked for in
    id           TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    source       TEXT,
    spec         TEXT NOT NULL,
    cause        TEXT NOT NULL,
    state        TEXT NOT NULL,
    exclusive    INTEGER NOT NULL,
    owner        TEXT NOT NULL,
    lease_until  INTEGER NOT NULL,
    queued_at    INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER,
    retry_of     TEXT,
    point        TEXT,
    fault        TEXT,
    bytes_done   INTEGER NOT NULL DEFAULT 0,
    bytes_total  INTEGER,
    files_done   INTEGER NOT NULL DEFAULT 0,
    files_total  INTEGER,
    warnings     INTEGER NOT NULL DEFAULT 0,
    report       TEXT
) STRICT;
CREATE INDEX jobs_by_source ON jobs (source, number);
-- One job at a time works on a replica, whoever asks.
CREATE UNIQUE INDEX jobs_one_per_replica ON jobs (source)
    WHERE exclusive = 1 AND source IS NOT NULL AND state IN ('queued', 'running');

CREATE TABLE job_steps (
    job        TEXT NOT NULL,
    number     INTEGER NOT NULL,
    step       TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_warnings (
    job    TEXT NOT NULL,
    number INTEGER NOT NULL,
    path   BLOB NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- Local: the ledger. A row stands here before its time comes; the job that took it is named in the same
-- transaction that makes the job.
CREATE TABLE occurrences (
    source TEXT NOT NULL,
    duty   TEXT NOT NULL,
    due    INTEGER NOT NULL,
    state  TEXT NOT NULL,
    job    TEXT,
    PRIMARY KEY (source, duty, due)
) STRICT, WITHOUT ROWID;
CREATE INDEX occurrences_pending ON occurrences (state, due);
CREATE INDEX occurrences_by_job ON occurrences (job);

-- Local: up to when the ledger is written for a duty, and under which schedule.
CREATE TABLE plans (
    source        TEXT NOT NULL,
    duty          TEXT NOT NULL,
    schedule      TEXT NOT NULL,
    planned_until INTEGER NOT NULL,
    PRIMARY KEY (source, duty)
) STRICT, WITHOUT ROWID;

-- Local: alerts; an open one has no closed_at, and there is one open alert a code and subject.
CREATE TABLE alerts (
    id         INTEGER PRIMARY KEY,
    code       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    params     TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    closed_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (code, subject) WHERE closed_at IS NULL;

-- Local: when a part of the server last showed life.
CREATE TABLE heartbeats (
    part TEXT NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
