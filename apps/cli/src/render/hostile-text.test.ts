/** Hostile text in every field of every answer: each command shows it as text only, in each output format. */
import { visibleText } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { queryPb } from "@lifeline/wire";
import { parse } from "csv-parse/sync";
import { describe, expect, it } from "vitest";
import { type Answers, MET_ROW, NOW_MS, UNMET_ROW, verdicts } from "../testing/collector.ts";
import { HOSTILE_TEXTS } from "../testing/hostile-text.ts";
import { renderedMarkdown } from "../testing/rendered-markdown.ts";
import { runAgainst } from "../testing/run-cli.ts";

const generatedUnixMs = BigInt(NOW_MS);
const startUnixMs = BigInt(NOW_MS - 12_000);

/** UTF-8 has no lone surrogates, so they cannot arrive. */
const TEXTS = HOSTILE_TEXTS.map((text) => text.toWellFormed());

const rows = TEXTS.map((text, at) => ({
  ...(at % 2 === 0 ? UNMET_ROW : MET_ROW),
  nodeId: text,
  requirementId: text,
  targetId: text,
  endpoint: text,
  probe: text,
  proxy: text,
  cause: text,
  udpEvidence: text,
  evidence: text,
  nextStep: text,
}));
const nodes = TEXTS.map((text) => ({ nodeId: text, hostname: text, agentVersion: text, firstSeenUnixMs: startUnixMs }));
const incidents = TEXTS.map((text, at) => ({
  id: BigInt(at),
  nodeId: text,
  requirementId: text,
  targetId: text,
  verdict: queryPb.Verdict.UNMET,
  cause: text,
  startUnixMs,
  evidence: text,
  nextStep: text,
}));
const enrolments = TEXTS.map((text) => ({
  nodeId: text,
  enrolledUnixMs: startUnixMs,
  refusedClaims: 2,
  lastRefusedClaimUnixMs: startUnixMs,
  lastRefusedClaimFrom: text,
  joinTokenId: text,
  keySha256: text,
}));
const tokens = TEXTS.map((text) => ({ id: text, note: text, nodePattern: text, createdUnixMs: startUnixMs }));
const targets = TEXTS.map((text) => ({ requirementId: text, targetId: text, points: [{ startUnixMs, sent: 9n }] }));

const ANSWERS: Partial<Answers> = {
  listVerdicts: async () => ({ ...verdicts(...rows), catalogueVersion: TEXTS[0] ?? "" }),
  listNodes: async () => ({ generatedUnixMs, nodes }),
  getNode: async () => ({ generatedUnixMs, ...(nodes[0] === undefined ? {} : { node: nodes[0] }), rows, incidents }),
  listIncidents: async () => ({ generatedUnixMs, incidents }),
  listHistory: async () => ({ generatedUnixMs, stepSeconds: 10, targets }),
  listEnrolments: async () => ({ generatedUnixMs, enrolments }),
  listJoinTokens: async () => ({ generatedUnixMs, tokens }),
};

/** Each command, and how many lines its table has for each record at least. */
const COMMANDS = [
  ["status"],
  ["nodes"],
  ["node", "n1"],
  ["incidents"],
  ["history", "n1"],
  ["enrolments"],
  ["token", "list"],
];
const commands = COMMANDS.map((argv) => ({ argv, name: argv.join(" ") }));

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what colour adds.
const STYLE = /\u001b\[(?:1|2|22|3[1-7]|39)m/g;
const terminal = { columns: 120, rows: 40 };

const unseen = (lines: string) => lines.split("\n").filter((line) => visibleText(line) !== line);

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null) for (const part of Object.values(value)) yield* textsIn(part);
}

describe.each(commands)("lifeline $name", ({ argv }) => {
  const shown = async (format: string) =>
    (
      await runAgainst(
        [...argv, "--output", format],
        ANSWERS,
        format === "table" || format === "wide" ? { terminal } : {},
      )
    ).out;

  it.each(["table", "wide"])("drives no terminal with its %s", async (format) => {
    const out = (await shown(format)).replace(STYLE, "");
    expect(unseen(out)).toEqual([]);
    expect(out).toContain("\\u{1B}[");
  });

  it("prints JSON of visible text", async () => {
    const out = await shown("json");
    expect(unseen(out)).toEqual([]);
    expect([...textsIn(JSON.parse(out))].filter((text) => visibleText(text) !== text)).toEqual([]);
  });

  it("prints CSV in which no cell begins a formula", async () => {
    const [header = [], ...records] = parse(await shown("csv"), { record_delimiter: "\r\n" }) as string[][];
    expect(records).toHaveLength(TEXTS.length);
    expect(records.filter((cells) => cells.length !== header.length)).toEqual([]);
    const cells = records.flat();
    expect(cells.filter((cell) => /^[\s"'`]*[=+\-@＝＋－＠]/u.test(cell) || visibleText(cell) !== cell)).toEqual([]);
    expect(cells).toContain("\\u{3D}1+1");
  });

  it("prints Markdown in which hostile text makes no link, image or mention", async () => {
    const out = await shown("markdown");
    expect(unseen(out)).toEqual([]);
    const { elements, cells, prose } = renderedMarkdown(out);
    const known = ["code", "li", "p", "table", "tbody", "td", "th", "thead", "tr", "ul"];
    expect(elements.filter((name) => !known.includes(name))).toEqual([]);
    expect(cells).toHaveLength(TEXTS.length + 1);
    expect(prose).not.toMatch(/evil|https?:|www\.|[@#$&<]|!\S|GH-|team|owner|deadbeef|heading|gone/);
  });
});

describe("an error", () => {
  const details = "\u001b[2J\r\nerror: \u202e\u200bdo this";
  const codes = Object.entries(RpcStatus).filter(([, code]) => typeof code === "number" && code !== RpcStatus.OK);

  it.each(codes)("with what the collector said of %s is visible text of its own lines", async (_, code) => {
    const listNodes = async () => {
      throw new RpcError(code as RpcError["code"], details);
    };
    const { err } = await runAgainst(["nodes"], { listNodes });
    expect(unseen(err)).toEqual([]);
    expect(err.match(/^error: /gm)).toHaveLength(1);
  });

  it("names nodes and requirements as visible text", async () => {
    const getNode = async () => {
      throw new RpcError(RpcStatus.NOT_FOUND, details);
    };
    const unknown = await runAgainst(["node", "a\u202eb"], { ...ANSWERS, getNode });
    const listVerdicts: Answers["listVerdicts"] = async ({ only }) => (only === "" ? verdicts(...rows) : verdicts());
    const unmatched = await runAgainst(["status", "--only", "\r=1"], { ...ANSWERS, listVerdicts });
    for (const { err } of [unknown, unmatched]) {
      expect(unseen(err)).toEqual([]);
      expect(err.split("\n")).toHaveLength(2);
    }
    expect((await runAgainst(["nodes", "\u001b[2J"], ANSWERS)).err).toContain("\\u{1B}[2J");
  });
});
