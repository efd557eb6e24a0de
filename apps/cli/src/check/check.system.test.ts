import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loopbackDeployment } from "../testing/loopback-deployment.ts";
import { runHere } from "../testing/run-cli.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-check-"));
afterAll(() => rmSync(directory, { recursive: true }));

const servers: Server[] = [];
/** Answers every call as the Machine API answers an unknown method. */
const machineApi = { address: "" };
beforeAll(async () => {
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    const message = "unknown method LifelineProbe for service sidero.link.ProvisionService";
    stream.respond({ ":status": 200, "grpc-status": "12", "grpc-message": message }, { endStream: true });
  });
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const address = server.address();
  machineApi.address = `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
});
afterAll(() => {
  for (const server of servers) server.close();
});

/** A listener that accepts and closes at once: TCP is fine, and nothing above it. */
function hangingUp(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
    servers.push(server);
  });
}

function deploymentFile(name: string, machineApiAddress: string): string {
  const path = join(directory, name);
  writeFileSync(path, loopbackDeployment(machineApiAddress));
  return path;
}

/** A delay of the event loop from which ticks are missed or attempts not measured, ns: a probe's tolerance of 50 ms. */
const STALL_NS = 50e6;

interface Row {
  readonly requirement: string;
  readonly probe: string;
  readonly verdict: string;
  readonly cause: string;
  readonly nextStep: string;
  readonly sent: number;
}

/** Runs the check, and again while it is not whole because this process stalled (M3). Fails when it did not stall. */
async function untilWhole(argv: readonly string[], isWhole: (out: string) => boolean) {
  for (;;) {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const result = await runHere(argv);
    delay.disable();
    if (isWhole(result.out)) return result;
    expect(delay.max, `not whole, and no stall explains it: ${result.out}${result.err}`).toBeGreaterThan(STALL_NS);
  }
}

/** Whether these rows were sent so many attempts, and each could be judged. More attempts fail at once (M1). */
function haveSent(attempts: number, rows: readonly Row[]): boolean {
  for (const { sent, requirement, probe } of rows)
    expect(sent, `attempts of ${requirement} ${probe}`).toBeLessThanOrEqual(attempts);
  return rows.every(({ sent, verdict }) => sent === attempts && verdict !== "unknown");
}

const rowsOf = (out: string): readonly Row[] => JSON.parse(out).rows;

describe.concurrent("lifeline check", () => {
  it("exits 0 when what it was asked about is met", async () => {
    const file = deploymentFile("met.yaml", machineApi.address);
    const argv = ["check", "--deployment", file, "--only", "machine-api", "--seconds", "2", "--json"];
    const { out, err, exitCode } = await untilWhole(argv, (text) => haveSent(2, rowsOf(text)));
    const { rows } = JSON.parse(out);
    expect(err).toBe("");
    expect(rows.map((row: { probe: string; verdict: string }) => [row.probe, row.verdict])).toEqual([
      ["tcp", "met"],
      ["grpc", "met"],
    ]);
    expect(rows[0]).toMatchObject({ node: "here", target: machineApi.address, sent: 2, lost: 0, cause: null });
    expect(rows[0].rttMs.max).toBeGreaterThan(0);
    expect(exitCode).toBe(0);
  });

  it("shows every row of a deployment, and what to do about those that are not met (J2)", async () => {
    const file = deploymentFile("whole.yaml", `127.0.0.1:${await hangingUp()}`);
    const argv = ["check", "--deployment", file, "--seconds", "2", "--json"];
    const isTested = ({ requirement, probe }: Row) =>
      requirement === "machine-api" || (requirement === "api-endpoint" && probe === "tcp");
    const { out, exitCode } = await untilWhole(argv, (text) => haveSent(2, rowsOf(text).filter(isTested)));
    const rows = rowsOf(out);
    const of = (requirement: string, probe: string) =>
      rows.find((row) => row.requirement === requirement && row.probe === probe);
    expect(of("machine-api", "tcp")).toMatchObject({ verdict: "met" });
    expect(of("machine-api", "grpc")).toMatchObject({ verdict: "unmet", cause: "reset" });
    expect(of("api-endpoint", "tcp")).toMatchObject({ verdict: "unmet", cause: "refused", lossRatio: 0 });
    for (const row of rows.filter(({ verdict }) => verdict === "unmet" || verdict === "unknown")) {
      expect(row.nextStep, row.requirement).not.toBeNull();
      expect(row.cause, row.requirement).not.toBeNull();
    }
    expect(rows.filter(({ verdict }) => verdict === "not-applicable").length).toBeGreaterThan(5);
    expect(exitCode).toBe(1);
  });

  it("takes flags instead of a file", async () => {
    const argv = [
      "check",
      "--omni",
      "https://127.0.0.1:1",
      "--siderolink",
      "127.0.0.1:1",
      "--siderolink",
      "[::1]:1",
      "--machine-api",
      `grpc://${machineApi.address}`,
      "--only",
      "machine-api",
      "--seconds",
      "2",
    ];
    const { out, exitCode } = await untilWhole(argv, (text) => !text.includes("unknown"));
    expect(out).toMatch(/^REQUIREMENT +TARGET/);
    expect(out).toContain("2 of 2 required rows met");
    expect(exitCode).toBe(0);
  });

  it("judges for the roles it is given", async () => {
    const file = deploymentFile("roles.yaml", machineApi.address);
    const argv = ["check", "--deployment", file, "--only", "machine-api", "--seconds", "1", "--json"];
    const asHost = await runHere([...argv, "--role", "omni-host"]);
    expect(JSON.parse(asHost.out).rows).toMatchObject([{ verdict: "not-applicable", target: null }]);
    expect(asHost.exitCode).toBe(1);
    const asBoth = await runHere([...argv, "--role", "omni-host", "--role", "talos-node"]);
    expect(JSON.parse(asBoth.out).rows).toHaveLength(2);
  });

  it("says why a row that --only names does not apply, and does not pass", async () => {
    const file = deploymentFile("inapplicable.yaml", machineApi.address);
    const { out, exitCode } = await runHere(["check", "--deployment", file, "--only", "omni-vault", "--seconds", "1"]);
    expect(out).toContain("0 of 0 required rows met");
    expect(out).toContain(
      "omni-vault does not apply: only the host that runs Omni needs it; this node is a Talos node.",
    );
    expect(exitCode).toBe(1);
  });

  it("refuses a mirror of a host that no row names, with the nearest", async () => {
    const file = deploymentFile("mirror.yaml", machineApi.address);
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace("mirrors: []", "mirrors: [{ replaces: ghcr.oi, with: 'https://m' }]"),
    );
    const { err, exitCode } = await runHere(["check", "--deployment", file]);
    expect(err).toMatch(
      /^error: mirror\.yaml: airGapped\.mirrors\[0\]\.replaces: got "ghcr\.oi".* the nearest is ghcr\.io\n$/,
    );
    expect(exitCode).toBe(2);
  });

  it("says which rows are close when --only matches none, and probes nothing", async () => {
    const file = deploymentFile("none.yaml", machineApi.address);
    const { err, out, exitCode } = await runHere(["check", "--deployment", file, "--only", "machin-api"]);
    expect(err).toBe(
      "error: --only: 'machin-api' matches no requirement; the closest: machine-api, saas-machine-api\n",
    );
    expect([out, exitCode]).toEqual(["", 2]);
  });

  it("names file and field of a deployment that cannot be read", async () => {
    const path = join(directory, "broken.yaml");
    writeFileSync(path, "version: 1\nname: x\nkind: cloud\nomni: { api: https://omni.example.com }\n");
    const { err, exitCode } = await runHere(["check", "--deployment", path]);
    expect(err).toBe('error: broken.yaml: kind: got "cloud", want one of on-prem, saas\n');
    expect(exitCode).toBe(2);
  });
});
