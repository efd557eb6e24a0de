/** Debian's prometheus-blackbox-exporter: its configuration, and a client that requests one probe over HTTP. */
import { writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { type Clock, pause } from "@lifeline/measure";
import { BenchError, reasonText } from "./bench-error.ts";
import type { BenchProcess, Workshop } from "./workshop.ts";

/** The program's name in Debian. */
export const EXPORTER = "prometheus-blackbox-exporter";

/**
 * Modules a probe may request: the exporter's own TCP example (blackbox_exporter example.yml, CONFIGURATION.md), and
 * the same with TLS.
 */
export type ExporterModule = "tcp_connect" | "tls_connect";

/** JSON is YAML (YAML 1.2 §1.3). */
function configOf(caFile: string | undefined): string {
  const connect = { preferred_ip_protocol: "ip4" };
  const moduleOf = (tcp: object) => ({ prober: "tcp", timeout: "5s", tcp });
  const secure = caFile === undefined ? {} : { ca_file: caFile };
  const modules: Readonly<Record<ExporterModule, object>> = {
    tcp_connect: moduleOf(connect),
    tls_connect: moduleOf({ ...connect, tls: true, tls_config: secure }),
  };
  return JSON.stringify({ modules });
}

/** Bytes read of one answer: the exporter's are under 2 KB. */
const ANSWER_MAX_BYTES = 65_536;
const ANSWER_MAX_MS = 10_000;
/** How long the exporter may take to come up, ms. */
const READY_MAX_MS = 20_000;

/**
 * Starts an exporter that listens on loopback of `namespace` (default: the bench's own), and trusts `caFile` instead of
 * public roots.
 */
export async function startExporter(
  workshop: Workshop,
  port: number,
  { namespace, caFile }: { readonly namespace?: string; readonly caFile?: string } = {},
): Promise<BenchProcess> {
  const config = join(await workshop.folder(), "blackbox.yml");
  await writeFile(config, configOf(caFile));
  return workshop.start({
    name: EXPORTER,
    command: EXPORTER,
    args: [`--config.file=${config}`, `--web.listen-address=127.0.0.1:${port}`, "--log.level=error"],
    ...(namespace === undefined ? {} : { namespace }),
  });
}

/** What one /probe answered. */
export interface ExporterAnswer {
  readonly success: boolean;
  /** `probe_duration_seconds`: all that the exporter did for the probe, ns. */
  readonly durationNs: number;
}

/** Client of one exporter; it keeps its connections open. */
export interface ExporterClient {
  /** Resolves when the exporter answers; throws `child-failed` after 20 s. */
  ready(): Promise<void>;
  /** One probe of `target` (`address:port`); by default tcp_connect. */
  probe(target: string, module?: ExporterModule): Promise<ExporterAnswer>;
  close(): void;
}

/** Creates a client of the exporter at `port` on loopback. */
export function createExporterClient(clock: Clock, port: number): ExporterClient {
  const agent = new Agent({ keepAlive: true });
  const ask = (path: string) => fetchText(agent, port, path);
  return {
    async ready() {
      for (let waitedMs = 0; ; waitedMs += 20) {
        const refusal = await ask("/-/healthy").then(() => undefined, reasonText);
        if (refusal === undefined) return;
        if (waitedMs >= READY_MAX_MS) throw new BenchError("child-failed", `${EXPORTER} is not ready: ${refusal}`);
        await pause(clock, 20);
      }
    },
    probe: async (target, module = "tcp_connect") =>
      parseExporterAnswer(await ask(`/probe?module=${module}&target=${encodeURIComponent(target)}`)),
    close: () => agent.destroy(),
  };
}

/** Reads the two figures needed of an answer (Prometheus text format). Throws `child-failed`. */
export function parseExporterAnswer(text: string): ExporterAnswer {
  const figureOf = (name: string) => {
    const match = new RegExp(`^${name} (\\S+)$`, "m").exec(text);
    const value = Number(match?.[1] ?? Number.NaN);
    if (Number.isFinite(value)) return value;
    throw new BenchError("child-failed", `${EXPORTER}: no ${name} in its answer`);
  };
  return { success: figureOf("probe_success") === 1, durationNs: figureOf("probe_duration_seconds") * 1e9 };
}

function fetchText(agent: Agent, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ agent, host: "127.0.0.1", port, path, timeout: ANSWER_MAX_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.length > ANSWER_MAX_BYTES) request.destroy(new Error(`an answer beyond ${ANSWER_MAX_BYTES} bytes`));
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new BenchError("child-failed", `${EXPORTER}: ${path} answered ${response.statusCode}`));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`no answer in ${ANSWER_MAX_MS} ms`)));
    request.on("error", reject);
  });
}
