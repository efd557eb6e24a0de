/** The sessions of STAMP of a process, one for each target and address. They are bounded in number and in idle time. */
import type { IpFamily, Timer } from "@lifeline/measure";
import { connectedSocket } from "./connected-socket.ts";
import { neverSent } from "./datagram.ts";
import { NO_WATCH, type SilenceWatch } from "./silence-watch.ts";
import { type SessionExchange, type SessionWorld, StampSession } from "./stamp-session.ts";

/** Most sessions of a process: a plan has one or two reflectors in each family. */
export const SESSIONS_MAX = 64;

/** How long a session may be unused, ms: sixty probes at one a second. The next one then has another source port. */
const SESSION_IDLE_MS = 60_000;

/** Where a session sends. */
export interface SessionTarget {
  /** Identity of the target: one session for each of its addresses. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly family: IpFamily;
  readonly timeoutMs: number;
}

interface Entry {
  readonly session: StampSession;
  idle: Timer | undefined;
}

/** Sessions by target and address. */
export class StampSessions {
  readonly #world: SessionWorld;
  readonly #entries = new Map<string, Entry>();

  constructor(world: SessionWorld) {
    this.#world = world;
  }

  /** Sends one packet in the target's session and waits for its reply. Never rejects. */
  async exchange(
    target: SessionTarget,
    key: Uint8Array | undefined,
    watch: SilenceWatch = NO_WATCH,
  ): Promise<SessionExchange> {
    const entry = await this.#entryOf(target);
    if (typeof entry === "string") {
      return { end: neverSent(entry), strays: 0, localAddress: undefined, directions: undefined };
    }
    entry.idle?.cancel();
    entry.idle = this.#world.clock.after(SESSION_IDLE_MS, () => this.#drop(keyOf(target)));
    const onSilence = (giveUp: () => void) => watch.silent({ address: target.address, giveUp });
    return entry.session.exchange(target.timeoutMs, key, onSilence);
  }

  /** Closes all sessions. */
  close(): void {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  /** The session of the target's address, opened if need be; or the code of what prevented it. */
  async #entryOf(target: SessionTarget): Promise<Entry | string> {
    const { address, port, family, timeoutMs } = target;
    const key = keyOf(target);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= SESSIONS_MAX && oldest !== undefined) this.#drop(oldest);
    const socket = await connectedSocket(family, address, port);
    if (typeof socket === "string") return socket;
    const entry = { session: new StampSession(this.#world, socket, timeoutMs), idle: undefined };
    // Another attempt may have opened a session meanwhile. The later one stays.
    this.#drop(key);
    this.#entries.set(key, entry);
    return entry;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    entry?.idle?.cancel();
    entry?.session.close();
    this.#entries.delete(key);
  }
}

function keyOf({ id, address, port }: SessionTarget): string {
  return `${id} ${address} ${port}`;
}
