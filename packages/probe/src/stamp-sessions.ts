/** The sessions of STAMP of a process, one for each target. They are bounded in number and in idle time. */
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
  /** Identity of the target: one session each. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly family: IpFamily;
  readonly timeoutMs: number;
}

interface Entry {
  readonly session: StampSession;
  readonly address: string;
  readonly port: number;
  idle: Timer | undefined;
}

/** Sessions by target. */
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
    entry.idle = this.#world.clock.after(SESSION_IDLE_MS, () => this.#drop(target.id));
    const onSilence = (giveUp: () => void) => watch.silent({ address: target.address, giveUp });
    return entry.session.exchange(target.timeoutMs, key, onSilence);
  }

  /** Closes all sessions. */
  close(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
  }

  /** The target's session, opened if need be; or the code of what prevented it. */
  async #entryOf({ id, address, port, family, timeoutMs }: SessionTarget): Promise<Entry | string> {
    const known = this.#entries.get(id);
    if (known?.address === address && known.port === port) return known;
    this.#drop(id);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= SESSIONS_MAX && oldest !== undefined) this.#drop(oldest);
    const socket = await connectedSocket(family, address, port);
    if (typeof socket === "string") return socket;
    const entry = { session: new StampSession(this.#world, socket, timeoutMs), address, port, idle: undefined };
    // Another attempt may have opened a session meanwhile. The later one stays.
    this.#drop(id);
    this.#entries.set(id, entry);
    return entry;
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    entry?.idle?.cancel();
    entry?.session.close();
    this.#entries.delete(id);
  }
}
