/** Attacks with a node's credentials: mislead the readers of its status. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { programArguments } from "@lifeline/harness";
import { pause, type Target } from "@lifeline/measure";
import { createRpcClient } from "@lifeline/rpc";
import { encodeReport, NO_SELF_METRICS, queryPb, witnessPb } from "@lifeline/wire";
import { type Attack, outcomeOf } from "../attack.ts";
import { within } from "../poll.ts";
import { CALL, type TestBed } from "../test-bed.ts";
import { type Seen, windowFor } from "../windows.ts";

/** What a spreadsheet, a page or a terminal would take for more than text. */
const FORMULA = '=HYPERLINK("http://evil.example","x")';
const VERSION = "=1+1";
const ISSUER = `CN=see http://evil.example www.evil.example @team fixes #1 <b>x</b> \u202egnp\u200b\u2066\u{e0041}`;

/**
 * Zero-width, direction and tag characters, controls but line feeds (Unicode 16, Default_Ignorable_Code_Point and
 * Bidi_Control).
 */
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e0fff}]/u;

/** What Markdown makes more of outside of code. */
const LIVE = /https?:\/\/|www\.|(^|\s)@\w|(^|\s)#\d|<\w/;

/** How often the witness reports, ms. */
const WITNESS_EVERY_MS = 500;

/** What people run, one after the other: a person does not take the collector's processors. */
const OUTPUTS = [
  [["nodes"], "csv"],
  [["incidents"], "csv"],
  [["nodes"], "markdown"],
  [["status"], "markdown"],
  [["nodes"], "wide"],
  [["status"], "wide"],
  [["node", "hostile-1"], "json"],
] as const;

/** Most output of a command that is read: after all other attacks the fleet's status takes more than one MiB. */
const OUTPUT_MAX_BYTES = 64 * 1024 * 1024;

/** Runs the shipped command line as a reader. */
function lifeline(testBed: TestBed, ...args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
    LIFELINE_COLLECTOR: testBed.address,
    LIFELINE_CA_FINGERPRINT: testBed.collector.fingerprint,
    LIFELINE_TOKEN: testBed.readerToken,
  };
  return new Promise((resolve, reject) => {
    const options = { env, maxBuffer: OUTPUT_MAX_BYTES };
    execFile(process.execPath, [...programArguments("cli"), ...args], options, (error, out, err) => {
      // 1: not everything is met.
      if (error !== null && error.code !== 1) reject(new Error(`lifeline ${args.join(" ")}: ${err}`));
      else resolve(out);
    });
  });
}

/** Cells of a CSV file (RFC 4180). */
function cellsOf(csv: string): readonly string[] {
  return [...csv.matchAll(/(?:^|,|\r\n)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? "",
  );
}

function isFormula(cell: string): boolean {
  return /^[\s"']*[=+\-@\t\r]/.test(cell) && !/^-\d/.test(cell);
}

/** A node's stream, after it has reported results for each of its targets. */
async function reportAs(
  testBed: TestBed,
  nodeId: string,
  sees: (target: Target) => Seen,
  options: Parameters<TestBed["openStream"]>[2] = {},
) {
  const stream = await testBed.openStream(testBed.client(await testBed.node(nodeId)), nodeId, options);
  const sealedAtMs = testBed.clock.wallMs();
  const windows = stream.targets.map((target) => windowFor(target, sealedAtMs, sees(target)));
  await stream.report(1, { bytes: encodeReport({ sealedAtMs, windows, selfMetrics: NO_SELF_METRICS }) });
  await stream.answered(1);
  return stream;
}

function verdictsOf(testBed: TestBed, nodeId: string): Promise<readonly queryPb.VerdictRow[]> {
  const client = createRpcClient(queryPb.QueryService, testBed.address, testBed.client());
  const by = { ...CALL, bearerToken: testBed.readerToken };
  return client
    .unary("listVerdicts", { nodeId }, by)
    .then(({ rows }) => rows)
    .finally(() => client.close());
}

export const showing: readonly Attack[] = [
  {
    name: "hostile-text",
    position: "node",
    tries:
      "takes a spreadsheet formula as its id, and reports a certificate whose issuer holds links, mentions and invisible characters",
    async run(testBed) {
      const dates = { notBefore: "2020-01-01T00:00:00Z", notAfter: "2030-01-01T00:00:00Z" };
      const chain = [{ subject: "CN=x", issuer: ISSUER, ...dates, sha256: "ab".repeat(32), anchor: false }];
      const untrusted = { reason: "tls-untrusted", evidence: { chain }, attempts: 3 } as const;
      const sees = ({ options: { probe } }: Target) =>
        probe === "tls" ? untrusted : ({ reason: "answered" } as const);
      await reportAs(testBed, "hostile-1", sees, { hello: { hostname: FORMULA, agentVersion: VERSION } });
      const isJudged = await within(testBed.clock, async () =>
        (await verdictsOf(testBed, "hostile-1")).some(({ evidence }) => evidence.includes("evil")),
      );
      const shown: string[] = [];
      for (const [command, output] of OUTPUTS) shown.push(await lifeline(testBed, ...command, "--output", output));
      const all = shown.join("\n");
      const as = (format: string) => shown.filter((_, at) => OUTPUTS[at]?.[1] === format);
      const formulas = as("csv").flatMap(cellsOf).filter(isFormula);
      const outsideCode = as("markdown")
        .join("\n")
        .replace(/(`+)[^`](?:.*?[^`])?\1(?!`)/g, "");
      return outcomeOf(
        ["what it reported is shown", isJudged && all.includes("evil.example")],
        [`live cells: ${formulas.length}`, formulas.length === 0],
        [`live in Markdown: ${LIVE.exec(outsideCode)?.[0] ?? "nothing"}`, !LIVE.test(outsideCode)],
        [`invisible characters: ${INVISIBLE.test(all) ? "some" : "none"}`, !INVISIBLE.test(all)],
      );
    },
  },
  {
    name: "claimed-address",
    position: "node",
    tries:
      "claims the address of a node whose return path is blocked, so that the witness's count proves nothing for that node",
    async run(testBed) {
      const hello = { siderolinkPrefix: "fd00:41e4:649b:9303" };
      const address = await testBed.from("127.0.0.9");
      const liar = await testBed.openStream(testBed.client(await testBed.node("liar-9")), "liar-9", {
        hello: { ...hello, addresses: ["127.0.0.9"] },
      });
      const sees = ({ host, options: { probe } }: Target): Seen => {
        if (probe === "udp") return { reason: "silent", attempts: 10 };
        if (probe === "link") return { reason: "link-frozen", attempts: 10 };
        return { reason: host.startsWith("fd") ? "timeout" : "answered", attempts: 10 };
      };
      await reportAs(testBed, "victim-9", sees, { address, hello });
      const witness = createRpcClient(witnessPb.WitnessService, testBed.address, testBed.client());
      const witnessId = randomBytes(16);
      const by = { ...CALL, bearerToken: testBed.collector.witnessToken };
      let cause = "";
      const isBlocked = async () => {
        const sources = [{ address: "127.0.0.9", port: 51_820, packets: 9n, receivedAgoMs: 0n }];
        await witness.unary("witness", { witnessId, port: 51_820, watchedMs: 60_000n, sources }, by);
        await pause(testBed.clock, WITNESS_EVERY_MS);
        const rows = await verdictsOf(testBed, "victim-9");
        const row = rows.find(({ requirementId, probe }) => requirementId === "siderolink-endpoint" && probe === "udp");
        cause = row?.cause ?? "none";
        return cause === "return-path-blocked";
      };
      await within(testBed.clock, isBlocked);
      witness.close();
      return outcomeOf(
        [`the liar: ${liar.first}`, liar.first === "let in"],
        [`the victim's tunnel: ${cause}`, cause === "return-path-blocked"],
      );
    },
  },
];
