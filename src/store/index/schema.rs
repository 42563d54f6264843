//! The tables, and which file has them.
//!
//! ```text
//! repos ──< entries ── builds ──< jobs ──< commands, tests >── test_names
//!             │           └─────< blobs, results           words (full text)
//!             └ a folder that was found; without a row in builds nobody has read it yet
//! ```
//!
//! There is no way from one version to the next: a file of another version is made anew.

use rusqlite::Connection;

/// Of the tables below. Whoever changes them, or what is put into them, counts it up.
pub(super) const VERSION: i32 = 2;

/// What marks a file as ours: "MCix".
pub(super) const APPLICATION: i32 = 0x4d43_6978;

/// Names of folders are bytes, as the system has them.
const TABLES: &str = "
CREATE TABLE repos (
    id INTEGER PRIMARY KEY,
    imported INTEGER NOT NULL,    -- 0 below the builds of this machine, 1 below what was imported
    org BLOB NOT NULL,
    repo BLOB NOT NULL,
    modified INTEGER,             -- ns; as of when `entries` has its folders; NULL: look again
    UNIQUE (imported, org, repo)
);

CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    repo INTEGER NOT NULL,
    name BLOB NOT NULL,
    inode INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,   -- what was read will not change by itself
    length INTEGER,               -- of the journal, in bytes, when it was read
    modified INTEGER,             -- of the journal, in ns
    in_use INTEGER NOT NULL DEFAULT 0,
    UNIQUE (repo, name)
);
CREATE INDEX unsettled ON entries (repo) WHERE NOT settled;

CREATE TABLE builds (
    id INTEGER PRIMARY KEY,       -- of its entry
    imported INTEGER NOT NULL,
    place BLOB NOT NULL,          -- the folders of its repo, ORG/REPO
    org TEXT NOT NULL,
    repo TEXT NOT NULL,
    build TEXT NOT NULL,
    first INTEGER,
    created INTEGER,
    started INTEGER,
    ended INTEGER,
    status TEXT NOT NULL,
    interrupted INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    branch TEXT,
    commit_id TEXT,
    commit_message TEXT,
    dirty INTEGER NOT NULL,
    server TEXT,
    source TEXT,
    reason TEXT,
    jobs INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    bytes INTEGER NOT NULL,       -- journal, logs and what else is in its folder
    pinned INTEGER NOT NULL
);
CREATE INDEX builds_by_time ON builds (first DESC, org DESC, repo DESC, build DESC);
CREATE INDEX builds_of_repo ON builds (place, first DESC, org DESC, repo DESC, build DESC);
CREATE INDEX builds_by_name ON builds (build);

CREATE TABLE jobs (
    build INTEGER NOT NULL,
    place INTEGER NOT NULL,
    job TEXT NOT NULL,
    status TEXT NOT NULL,
    started INTEGER,
    ended INTEGER,
    attempts INTEGER NOT NULL,
    reused TEXT,                  -- the build that it was taken over from
    exit INTEGER,
    memory_peak INTEGER NOT NULL,
    cpu_ms INTEGER NOT NULL,
    PRIMARY KEY (build, place)
) WITHOUT ROWID;
CREATE INDEX jobs_by_name ON jobs (job, build);

CREATE TABLE commands (
    build INTEGER NOT NULL,
    job INTEGER NOT NULL,
    place INTEGER NOT NULL,
    line TEXT NOT NULL,
    exit INTEGER,
    started INTEGER,
    ended INTEGER,
    PRIMARY KEY (build, job, place)
) WITHOUT ROWID;

CREATE TABLE test_names (
    id INTEGER PRIMARY KEY,
    suite TEXT NOT NULL,
    class TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (suite, class, name)
);

CREATE TABLE tests (
    build INTEGER NOT NULL,
    job INTEGER NOT NULL,
    place INTEGER NOT NULL,
    test INTEGER NOT NULL,
    status INTEGER NOT NULL,      -- 0 passed, 1 failed, 2 error, 3 skipped
    duration INTEGER,
    message TEXT,
    PRIMARY KEY (build, job, place)
) WITHOUT ROWID;

CREATE TABLE blobs (
    build INTEGER NOT NULL,
    job INTEGER NOT NULL,
    kind INTEGER NOT NULL,        -- 0 artifact, 1 cache
    id TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (build, job, kind, id)
) WITHOUT ROWID;

CREATE TABLE results (
    build INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    job TEXT,
    PRIMARY KEY (build, name)
) WITHOUT ROWID;

-- Its text is cut into words before it comes here, so that others can search as it does.
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
";

/// Makes the tables in an empty file.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    let numbers =
        format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};");
    db.execute_batch(&format!("BEGIN; {TABLES} {numbers} COMMIT;"))
}
