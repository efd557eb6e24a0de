/**
 * The schema, as steps. Append only: a step that was ever released never changes.
 *
 * Targets and nodes are numbered once, for a window's index row would otherwise be mostly its target's name.
 */

/** Step n brings a database of version n to version n + 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    node_id TEXT NOT NULL UNIQUE,
    hostname TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    facts_json TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    last_report_ms INTEGER
  ) STRICT;
  CREATE TABLE targets (id INTEGER PRIMARY KEY, target_id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES nodes (id),
    boot_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    sealed_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (node, boot_id, sequence)
  ) STRICT;
  CREATE INDEX reports_by_age ON reports (received_ms);
  CREATE TABLE windows (
    node INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    target INTEGER NOT NULL,
    report INTEGER NOT NULL,
    position INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    PRIMARY KEY (node, end_ms, target, report, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX windows_by_report ON windows (report);
  CREATE TABLE boots (
    node INTEGER NOT NULL,
    boot_id BLOB NOT NULL,
    first_received_ms INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    windows INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    PRIMARY KEY (node, boot_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    requirement_id TEXT NOT NULL,
    target_id TEXT NOT NULL,
    verdict TEXT NOT NULL,
    cause TEXT NOT NULL,
    evidence TEXT NOT NULL,
    next_step TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    changes_json TEXT NOT NULL,
    dropped_changes INTEGER NOT NULL,
    UNIQUE (node, target_id, started_ms)
  ) STRICT;
  CREATE INDEX incidents_by_start ON incidents (started_ms, id);
  CREATE TABLE verdicts (
    node INTEGER NOT NULL,
    row_key TEXT NOT NULL,
    verdict TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (node, row_key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE heartbeat (only INTEGER PRIMARY KEY CHECK (only = 1), at_ms INTEGER NOT NULL) STRICT;
  `,
  "ALTER TABLE nodes ADD COLUMN clock_offset_ms INTEGER",
  `
  ALTER TABLE nodes ADD COLUMN seen_from_json TEXT;
  ALTER TABLE verdicts ADD COLUMN cause TEXT;
  ALTER TABLE verdicts ADD COLUMN onset_ms INTEGER;
  ALTER TABLE verdicts ADD COLUMN evidence TEXT;
  ALTER TABLE verdicts ADD COLUMN next_step TEXT;
  `,
  `
  CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    secret_sha256 BLOB NOT NULL,
    note TEXT NOT NULL,
    node_pattern TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    uses_max INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    revoked_ms INTEGER
  ) STRICT;
  CREATE TABLE enrolments (
    node_id TEXT PRIMARY KEY,
    key_sha256 BLOB NOT NULL,
    join_token_id TEXT NOT NULL,
    enrolled_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    renewals INTEGER NOT NULL,
    revoked_ms INTEGER,
    is_open INTEGER NOT NULL,
    refused_claims INTEGER NOT NULL,
    last_refused_claim_ms INTEGER,
    last_refused_claim_from TEXT NOT NULL
  ) STRICT;
  CREATE TABLE revoked_keys (key_sha256 BLOB PRIMARY KEY, node_id TEXT NOT NULL, revoked_ms INTEGER NOT NULL) STRICT;
  `,
  // A table of its own rather than a mark in `reports`: to change the mark would write the whole report once more.
  `
  CREATE TABLE unrolled (
    node INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    report INTEGER NOT NULL,
    PRIMARY KEY (node, received_ms, report)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX unrolled_by_age ON unrolled (received_ms);
  INSERT INTO unrolled SELECT node, received_ms, id FROM reports;
  CREATE TABLE rollups (
    node INTEGER NOT NULL,
    step_s INTEGER NOT NULL,
    target INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (node, step_s, target, start_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rollups_by_age ON rollups (step_s, received_ms);
  `,
  `
  ALTER TABLE join_tokens ADD COLUMN is_ephemeral INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE enrolments ADD COLUMN is_ephemeral INTEGER NOT NULL DEFAULT 0;
  `,
  // What is there counts as written at the first moment, for the clock that dated it may have been wrong; a node of which no report is left, as
  // silent for long. Of roll-ups there are millions for each node: none is written anew, and the time that stands there stays below any mark.
  `
  CREATE TABLE moments (mark INTEGER PRIMARY KEY, earliest_ms INTEGER NOT NULL, latest_ms INTEGER NOT NULL) STRICT;
  DROP INDEX reports_by_age;
  ALTER TABLE rollups RENAME COLUMN received_ms TO mark;
  ALTER TABLE nodes ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
  UPDATE nodes SET mark = -1 WHERE NOT EXISTS (SELECT 1 FROM reports WHERE node = nodes.id);
  ALTER TABLE incidents ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX incidents_by_mark ON incidents (mark);
  ALTER TABLE enrolments ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE join_tokens ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
  `,
];
