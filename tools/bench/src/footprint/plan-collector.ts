/** A collector that gives the agent its plan, over mutual TLS under its own CA: the shipped program, with the bench's rows. */
import { randomBytes, X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pause } from "@lifeline/measure";
import { createRpcClient, tlsCredentials } from "@lifeline/rpc";
import { adminPb } from "@lifeline/wire";
import { BenchError } from "../bench-error.ts";
import type { Workshop } from "../workshop.ts";
import type { StandIn } from "./stand-ins.ts";

/** What an agent needs to be its. */
export interface PlanCollector {
  readonly collector: string;
  readonly enrol: { readonly caFingerprint: string; readonly tokenFile: string };
}

/** How long it may take to serve, ms. */
const READY_MAX_MS = 20_000;
const LOOK_MS = 50;

/** The least that a collector must be told; nothing of it is reached. */
const DEPLOYMENT = {
  version: 1,
  name: "bench",
  kind: "on-prem",
  omni: { api: "https://omni.example.test", machineApi: "https://omni.example.test:8090" },
};

/** The program, built or from source as this file is; `src` and `dist` are equally deep. */
function collectorProgram(): readonly string[] {
  const built = fileURLToPath(new URL("../dist/main.js", import.meta.resolve("@lifeline/collector")));
  if (extname(import.meta.url) === ".js") return [built];
  return ["--conditions=lifeline:source", built.replace(/dist\/main\.js$/, "src/main.ts")];
}

/** Starts a collector whose rows are `standIns`, each by TCP and TLS once in `cadenceMs`. */
export async function startPlanCollector(
  workshop: Workshop,
  standIns: readonly StandIn[],
  cadenceMs: number,
): Promise<PlanCollector> {
  const folder = await workshop.folder();
  const file = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const adminToken = randomBytes(32).toString("base64url");
  // JSON is YAML (YAML 1.2 §1.3).
  const deployment = await file("deployment.yaml", JSON.stringify(DEPLOYMENT));
  const catalogue = await file("catalogue.yaml", JSON.stringify(catalogueOf(standIns, cadenceMs)));
  const tokens = await file("tokens", `bench admin ${adminToken}\n`);
  const [dataDir, readyFile] = [join(folder, "store"), join(folder, "ready")];
  const files = [
    "--data-dir",
    dataDir,
    "--deployment",
    deployment,
    "--catalogue",
    catalogue,
    "--ready-file",
    readyFile,
  ];
  const listen = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--identity-name", "127.0.0.1"];
  const args = [...collectorProgram(), ...files, ...listen, "--access-tokens", tokens];
  const collector = workshop.start({ name: "collector", command: process.execPath, args });
  // Its log is nobody's here.
  collector.stdout.resume();
  const { grpcPort } = await Promise.race([ready(workshop, readyFile), collector.failure]);
  const address = `127.0.0.1:${grpcPort}`;
  const caPem = await readFile(join(dataDir, "identity/ca.pem"));
  const client = createRpcClient(adminPb.AdminService, address, tlsCredentials({ caPem }));
  const { joinToken } = await client.unary("createJoinToken", {}, { timeoutMs: READY_MAX_MS, bearerToken: adminToken });
  client.close();
  const fingerprint = new X509Certificate(caPem).fingerprint256.replaceAll(":", "").toLowerCase();
  return {
    collector: address,
    enrol: { caFingerprint: `sha256:${fingerprint}`, tokenFile: await file("join-token", joinToken) },
  };
}

async function ready({ clock }: Workshop, path: string): Promise<{ readonly grpcPort: number }> {
  for (let waitedMs = 0; waitedMs < READY_MAX_MS; waitedMs += LOOK_MS) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text !== "") return JSON.parse(text) as { readonly grpcPort: number };
    await pause(clock, LOOK_MS);
  }
  throw new BenchError("child-failed", `collector: not ready in ${READY_MAX_MS} ms`);
}

function catalogueOf(standIns: readonly StandIn[], cadenceMs: number) {
  const requirements = standIns.map(({ requirementId, host, port }, at) => ({
    id: `${requirementId}-${at}`,
    purpose: "to be measured as the page's rows are",
    source: { document: "bench", version: "bench", section: "bench" },
    from: "talos-node",
    deployments: ["on-prem"],
    obligation: "required",
    protocol: "tcp",
    port,
    place: { kind: "hosts", hosts: [host] },
    published: null,
    effective: { value: "a port of loopback", evidence: ["this bench"] },
    probes: [
      { probe: "tcp", acceptReset: false, cadenceMs },
      { probe: "tls", trust: "public", alpn: ["h2", "http/1.1"], alpnRequired: false, cadenceMs },
    ],
  }));
  return { schema: 1, version: "v0.0", title: "bench", requirements };
}
