/**
 * The numbers of a stateful reflector (RFC 8762 §4.3): each session's replies are counted from the first.
 *
 * 1. The table is bounded: a session in use is never forgotten for another, for its count would begin anew; one without room
 *    gets no number, and that is counted (S2).
 * 2. A session unused for {@link SESSION_TTL_NS} makes room. Time is the caller's (M2).
 */
import { sequenceAt } from "@lifeline/stamp";

/** Sessions remembered at once: 65,536, six for each of ten thousand nodes, in some 10 MB. */
export const SESSIONS_MAX = 65_536;

/** Unused this long a session is over: 3 min, longer than NAT keeps a silent UDP mapping in practice (RFC 4787 REQ-5: 2 min). */
export const SESSION_TTL_NS = 180_000_000_000;

/** Counts replies by session. */
export interface SessionTable {
  /** The number of the next reply to `source`; undefined without room. */
  next(source: string, nowNs: number): number | undefined;
  size(): number;
  /** Replies that got no number. */
  refusals(): number;
}

/** Creates a table of at most `maxSessions`. */
export function createSessionTable(maxSessions: number = SESSIONS_MAX): SessionTable {
  // In the order of last use: each use puts a session back last.
  const sessions = new Map<string, { replies: number; usedNs: number }>();
  let refusals = 0;
  const dropOld = (nowNs: number) => {
    for (const [source, { usedNs }] of sessions) {
      if (nowNs - usedNs < SESSION_TTL_NS) return;
      sessions.delete(source);
    }
  };
  return {
    next(source, nowNs) {
      dropOld(nowNs);
      const session = sessions.get(source);
      if (session === undefined && sessions.size >= maxSessions) {
        refusals += 1;
        return undefined;
      }
      const replies = session?.replies ?? 0;
      sessions.delete(source);
      sessions.set(source, { replies: replies + 1, usedNs: nowNs });
      return sequenceAt(replies);
    },
    size: () => sessions.size,
    refusals: () => refusals,
  };
}
