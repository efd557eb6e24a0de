/**
 * The schema, as steps. Append only: a step that was ever released never changes.
 *
 * Targets and nodes are numbered once, because a window's index row would otherwise be mostly its target's name. `hour`
 * is the hour in which a row was stored or changed last (storage-hours.ts). It stands before a payload, so that reading
 * it reads no payload.
 */

/** Step n brings a database of version n to version n + 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE hours (id INTEGER PRIMARY KEY, ended_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    node_id TEXT NOT NULL UNIQUE,
    hour INTEGER NOT NULL,
    hostname TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    facts_json TEXT NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    last_report_ms INTEGER,
    clock_offset_ms INTEGER,
    seen_from_json TEXT
  ) STRICT;
  CREATE TABLE targets (id INTEGER PRIMARY KEY, target_id TEXT NOT NULL UNIQUE) STRICT;
  -- AUTOINCREMENT: readers name reports by id and read them in a second step, so no id is used twice.
  CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hour INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES nodes (id),
    boot_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    sealed_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (node, boot_id, sequence)
  ) STRICT;
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
  -- A table of its own, not a column of reports: to change a column would write the whole report again.
  CREATE TABLE pending_rollups (
    node INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    report INTEGER NOT NULL,
    PRIMARY KEY (node, received_ms, report)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pending_rollups_by_age ON pending_rollups (received_ms);
  CREATE TABLE rollups (
    node INTEGER NOT NULL,
    step_s INTEGER NOT NULL,
    target INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (node, step_s, target, start_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rollups_by_hour ON rollups (step_s, hour);
  CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    hour INTEGER NOT NULL,
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
    impact_json TEXT NOT NULL,
    UNIQUE (node, target_id, started_ms)
  ) STRICT;
  CREATE INDEX incidents_by_start ON incidents (started_ms, id);
  CREATE INDEX incidents_by_hour ON incidents (hour);
  CREATE TABLE verdicts (
    node INTEGER NOT NULL,
    row_key TEXT NOT NULL,
    verdict TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    cause TEXT,
    onset_ms INTEGER,
    evidence TEXT,
    next_step TEXT,
    PRIMARY KEY (node, row_key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE heartbeat (only INTEGER PRIMARY KEY CHECK (only = 1), at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    hour INTEGER NOT NULL,
    secret_sha256 BLOB NOT NULL,
    note TEXT NOT NULL,
    node_pattern TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    uses_max INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    revoked_ms INTEGER,
    is_ephemeral INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE enrolments (
    node_id TEXT PRIMARY KEY,
    hour INTEGER NOT NULL,
    key_sha256 BLOB NOT NULL,
    join_token_id TEXT NOT NULL,
    enrolled_ms INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    renewals INTEGER NOT NULL,
    revoked_ms INTEGER,
    is_open INTEGER NOT NULL,
    is_ephemeral INTEGER NOT NULL,
    refused_claims INTEGER NOT NULL,
    last_refused_claim_ms INTEGER,
    last_refused_claim_from TEXT NOT NULL
  ) STRICT;
  CREATE TABLE revoked_keys (key_sha256 BLOB PRIMARY KEY, node_id TEXT NOT NULL, revoked_ms INTEGER NOT NULL) STRICT;
  `,
];
