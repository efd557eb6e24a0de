/** Floods: many connections, the data sent on each, and the result. A process of its own plays them (flood-program). */
import { spawn } from "node:child_process";
import { childProgram } from "./child-program.ts";
import type { FrameFlood } from "./http2-frames.ts";

/** One gRPC call over HTTP/2. */
export interface FloodRequest {
  /** `/lifeline.v1.Service/Method`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Base64 of the bytes written once; default: none. */
  readonly body?: string;
  /** Base64 of the bytes written repeatedly: every `everyMs`, or, by default, as fast as the collector reads. */
  readonly more?: { readonly bytes: string; readonly everyMs?: number };
  /** Whether the request is finished; default false. */
  readonly ends?: boolean;
}

/** Traffic on an established connection; default: none. */
export type FloodTraffic =
  | {
      readonly kind: "calls";
      /** Calls under way at once; one that ends is followed by another when the flood goes on `again`. */
      readonly streams: number;
      /** From the end of a call to the one that follows it, ms; default 0. */
      readonly pauseMs?: number;
      /** Taken in turn. */
      readonly requests: readonly FloodRequest[];
      /** Whether answers are read; without, the stream's window is closed and stays so. Default true. */
      readonly reads?: boolean;
    }
  /**
   * A node's stream: hello, then reports of the same content under numbers that count up, as fast as they are taken.
   */
  | {
      readonly kind: "reports";
      readonly nodeId: string;
      /** Of one report, base64. */
      readonly report: string;
      /** Default true. */
      readonly reads?: boolean;
    }
  | { readonly kind: "frames"; readonly flood: FrameFlood /** Default true. */; readonly reads?: boolean };

/** How a connection begins. */
export type FloodStart =
  /** TCP and nothing more. */
  | { readonly kind: "tcp" }
  /** The first message of a handshake, and none after it; `leaves` as soon as it is answered. */
  | { readonly kind: "client-hello"; readonly leaves: boolean }
  /** A whole handshake, with that certificate chain where there is one; `leaves` as soon as it is over. */
  | { readonly kind: "tls"; readonly certPem?: string; readonly keyPem?: string; readonly leaves?: boolean }
  /** HTTP/1.1 without TLS: these bytes, base64. */
  | { readonly kind: "plain"; readonly bytes: string; readonly reads: boolean };

/** Lower bounds of a flood's counts. */
export interface FloodLeast {
  /** Default 1: a flood of which no connection is established has attacked nothing. */
  readonly established?: number;
  /** Connections that the collector has ended; default 0. */
  readonly ended?: number;
  /** Default 0. */
  readonly calls?: number;
  /** Calls that ended with a status, by its number; default none. */
  readonly statuses?: Readonly<Record<string, number>>;
}

/** A flood. */
export interface FloodJob {
  readonly host: string;
  readonly port: number;
  /** Addresses of this host that connections come from, in turn. */
  readonly sources: readonly string[];
  /** Open at once. */
  readonly connections: number;
  /** Most connections opened per second; default: no limit. */
  readonly perSecond?: number;
  /** Whether each closed connection is replaced with a new one. */
  readonly again: boolean;
  readonly seconds: number;
  /** On a busy machine the flood goes on until these are reached, for a minute more at most. */
  readonly least?: FloodLeast;
  readonly start: FloodStart;
  readonly traffic?: FloodTraffic;
}

/** The result of a flood. */
export interface FloodAccount {
  readonly begun: number;
  /** Connections on which everything of {@link FloodStart} was done. */
  readonly established: number;
  /** Ended by the other side, or never there. */
  readonly ended: number;
  readonly calls: number;
  /**
   * Calls by the status they ended with (`0` to `16`), `reset` with its code, `cut` (their connection ended before they
   * did), or `none`.
   */
  readonly statuses: Readonly<Record<string, number>>;
}

/** Plays it; resolves when its time is over. Rejects when the process fails. */
export function flood(job: FloodJob): Promise<FloodAccount> {
  const { execArgv, path } = childProgram("flood-program");
  const child = spawn(process.execPath, [...execArgv, path], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  child.stdin.end(JSON.stringify(job));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(text) as FloodAccount);
      else reject(new Error(`the flood ended with ${code}`));
    });
  });
}

/** In a sentence. */
export function floodText({ begun, established, ended, calls, statuses }: FloodAccount): string {
  const heard = Object.entries(statuses).map(([status, count]) => `${status} ${count}`);
  const answers = heard.length === 0 ? "none answered" : `by status: ${heard.join(", ")}`;
  const said = calls === 0 ? "" : `; ${calls} calls, ${answers}`;
  return `${begun} connections begun, ${established} established, ${ended} ended by the collector${said}`;
}
