import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "./database.ts";
import { MIGRATIONS } from "./migrations.ts";

let directory = "";
let path = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-migrations-"));
  path = join(directory, "collector.db");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** The first schema with join tokens and enrolments. */
const ENROLS = 4;

/** When a roll-up had its last report, of a schema that went by the clock. */
const FAR_MS = Date.parse("2026-11-26T06:00:00Z");

/** The first schema under which a report that is stored is marked to be rolled up. */
const ROLLS_UP = 5;

/** A database as the collector of schema `version` left it, with a row in each of its first tables. */
function databaseOf(version: number): void {
  const sqlite = new DatabaseSync(path);
  sqlite.exec("CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT");
  for (const [at, step] of MIGRATIONS.slice(0, version).entries()) {
    sqlite.exec(`${step}; INSERT INTO schema_version VALUES (${at + 1})`);
  }
  sqlite.exec(`
    INSERT INTO nodes (id, node_id, hostname, agent_version, facts_json, first_seen_ms, seen_ms, last_report_ms)
      VALUES (1, 'n1', 'h', 'v', '{"nodeId":"n1"}', 1, 2, 3);
    INSERT INTO targets VALUES (1, 'row|tcp|host:1|ipv4');
    INSERT INTO reports (id, node, boot_id, sequence, received_ms, sealed_ms, payload)
      VALUES (1, 1, x'00000000000000000000000000000000', 7, 3, 3, x'0102');
    INSERT INTO boots VALUES (1, x'00000000000000000000000000000000', 3, 7, 7, 1, 1, 0);
    INSERT INTO incidents (id, node, requirement_id, target_id, verdict, cause, evidence, next_step, started_ms, changes_json, dropped_changes)
      VALUES (1, 1, 'row', 'row|tcp|host:1|ipv4', 'unmet', 'timeout', 'e', 's', 5, '[]', 0);
    INSERT INTO incidents (id, node, requirement_id, target_id, verdict, cause, evidence, next_step, started_ms, ended_ms, changes_json, dropped_changes)
      VALUES (2, 1, 'row', 'row|tcp|host:1|ipv4', 'unmet', 'timeout', 'e', 's', 1, 4, '[]', 0);
    INSERT INTO verdicts (node, row_key, verdict, since_ms) VALUES (1, 'row', 'unmet', 5);
  `);
  if (version >= ENROLS) {
    sqlite.exec(`
      INSERT INTO join_tokens (id, secret_sha256, note, node_pattern, created_ms, expires_ms, uses_max, uses)
        VALUES ('1f2e3d4c', x'01', 'rack 3', '', 1, 9, 1, 1);
      INSERT INTO enrolments (node_id, key_sha256, join_token_id, enrolled_ms, not_after_ms, renewals, is_open, refused_claims,
        last_refused_claim_from) VALUES ('n1', x'02', '1f2e3d4c', 2, 9, 0, 0, 0, '');
    `);
  }
  if (version >= ROLLS_UP) {
    sqlite.exec(`
      INSERT INTO unrolled VALUES (1, 3, 1);
      INSERT INTO rollups VALUES (1, 60, 1, 0, ${FAR_MS}, x'00'), (1, 3600, 1, 0, ${FAR_MS}, x'00');
      INSERT INTO nodes (id, node_id, hostname, agent_version, facts_json, first_seen_ms, seen_ms, last_report_ms)
        VALUES (2, 'gone', 'h', 'v', '{"nodeId":"gone"}', 1, 2, 3);
      INSERT INTO rollups VALUES (2, 3600, 1, 0, 1, x'00');
    `);
  }
  sqlite.close();
}

const bootId = new Uint8Array(16);

describe("a database of an earlier collector", () => {
  it.each(MIGRATIONS.slice(1).map((_, at) => at + 1))(
    "of schema %i is brought up to date with all it holds",
    (version) => {
      databaseOf(version);
      for (const isFirst of [true, false]) {
        const database = openDatabase(path);
        const [nodes, boots, incidents, verdicts] = database.run([
          { name: "listNodes", input: { limit: 10 } },
          { name: "listBoots", input: { nodeId: "n1", limit: 10 } },
          { name: "listIncidents", input: { nodeId: "n1", openOnly: true, sinceMs: 0, limit: 10, after: undefined } },
          { name: "listVerdicts", input: { nodeId: "n1" } },
        ]);
        const [n1, gone] = nodes as unknown[];
        expect(n1).toMatchObject({ nodeId: "n1", firstSeenMs: 1, lastReportMs: 3, factsJson: '{"nodeId":"n1"}' });
        expect(gone !== undefined).toBe(version >= ROLLS_UP);
        // Of which no report is left: the fleet is without it from the start.
        const silent = { name: "silentNodes", input: { nodeIds: ["n1", "gone"], beforeMs: 0 } } as const;
        expect(database.run([silent])).toEqual([["gone"]]);
        expect(boots).toMatchObject([{ reports: 1, lastSequence: 7 }]);
        expect(incidents).toMatchObject([{ cause: "timeout", startedAtMs: 5 }]);
        expect(verdicts).toMatchObject([{ verdict: "unmet", sinceMs: 5 }]);
        if (version >= ENROLS) {
          // Keys of before are to stay.
          const [tokens, enrolments] = database.run([
            { name: "listJoinTokens", input: { limit: 10 } },
            { name: "listEnrolments", input: { nodeId: "n1", after: "", limit: 10 } },
          ]);
          expect(tokens).toMatchObject([{ id: "1f2e3d4c", note: "rack 3", uses: 1, isEphemeral: false }]);
          expect(enrolments).toMatchObject([{ nodeId: "n1", joinTokenId: "1f2e3d4c", isEphemeral: false }]);
        }
        // A report that had been counted is not counted again.
        const again = {
          nodeId: "n1",
          bootId,
          sequence: 7,
          receivedAtMs: 3,
          sealedAtMs: 9,
          clockOffsetMs: undefined,
          payload: new Uint8Array([1, 2]),
          windowCount: 0,
          windows: [],
        };
        expect(database.run([{ name: "saveReport", input: again }])).toEqual(["duplicate"]);
        // What was stored before there were roll-ups is rolled up too, and once.
        const due = { name: "rollUp", input: { dueBeforeMs: 4, limit: 9 } } as const;
        expect(database.run([due])).toMatchObject([{ reports: isFirst ? 1 : 0, unrolled: 0 }]);
        database.close();
      }
      // All that was there counts as written when it was sure for the first time what time it is.
      const database = openDatabase(path);
      const prune = (beforeMs: number) =>
        ({ name: "prune", input: { beforeMs, minuteBeforeMs: beforeMs, hourBeforeMs: beforeMs, reports: 9 } }) as const;
      const next = { name: "nextMoment", input: {} } as const;
      const [, mark] = database.run([prune(FAR_MS), next]);
      const note = {
        name: "noteMoment",
        input: { mark: Number(mark), earliestMs: 8, latestMs: 9, tellsFromMs: 0 },
      } as const;
      // A report and its node's incidents, for that was silent since; and roll-ups, where there were any.
      expect(database.run([note, prune(8), prune(9)])).toEqual([undefined, 0, 1 + 2 + (version >= ROLLS_UP ? 3 : 0)]);
      database.close();
      const sqlite = new DatabaseSync(path, { readOnly: true });
      expect(sqlite.prepare("SELECT version FROM schema_version").all()).toHaveLength(MIGRATIONS.length);
      sqlite.close();
    },
  );
});
