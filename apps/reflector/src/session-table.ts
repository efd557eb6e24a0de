/**
 * The sequence numbers of a stateful Session-Reflector (RFC 8762 §4.3): the replies of each test session are counted
 * from the first.
 *
 * 1. The table is bounded. A session in use is never dropped for a new one, because its count would start again. A new
 *    session without room gets no numbers, and that is counted (S2).
 * 2. A session that was unused for {@link SESSION_TTL_NS} makes room. The caller passes the time (M2).
 */
import { sequenceAt } from "@lifeline/stamp";

/** Most sessions that are remembered: 65,536, six for each of ten thousand nodes, in some 10 MB. */
export const SESSIONS_MAX = 65_536;

/**
 * How long a session may be unused, ns: 3 min, longer than NAT in practice keeps a silent UDP mapping (RFC 4787 REQ-5:
 * 2 min).
 */
export const SESSION_TTL_NS = 180_000_000_000;

interface Session {
  readonly replies: number;
  readonly usedNs: number;
}

/** Counts replies by session. */
export class SessionTable {
  /** In the order of last use. */
  readonly #sessions = new Map<string, Session>();
  readonly #maxSessions: number;
  #stateless = 0;

  constructor(maxSessions: number = SESSIONS_MAX) {
    this.#maxSessions = maxSessions;
  }

  /** Sessions that are remembered now. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Replies that got no number. */
  get stateless(): number {
    return this.#stateless;
  }

  /** The sequence number of the next reply in `session`; undefined when the table has no room for it. */
  nextSequence(session: string, nowNs: number): number | undefined {
    this.#dropUnused(nowNs);
    const known = this.#sessions.get(session);
    if (known === undefined && this.#sessions.size >= this.#maxSessions) {
      this.#stateless += 1;
      return undefined;
    }
    const replies = known?.replies ?? 0;
    this.#sessions.delete(session);
    this.#sessions.set(session, { replies: replies + 1, usedNs: nowNs });
    return sequenceAt(replies);
  }

  #dropUnused(nowNs: number): void {
    for (const [session, { usedNs }] of this.#sessions) {
      if (nowNs - usedNs < SESSION_TTL_NS) return;
      this.#sessions.delete(session);
    }
  }
}
