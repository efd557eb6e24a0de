/** The table of allowed imports. Any other import between rooms is forbidden. Tempting ones have their reason below. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");

/** Room → rooms it may import. */
const ALLOWED: Record<string, readonly string[]> = {
  "packages/measure": [],
  "packages/stamp": [],
  "packages/yaml": [],
  "packages/identity": ["measure"],
  "packages/settings": ["measure", "yaml"],
  "packages/window": ["measure"],
  "packages/catalogue": ["measure", "yaml"],
  "packages/probe": ["measure", "stamp"],
  "packages/prober": ["measure", "window", "probe"],
  "packages/wire": ["measure", "window"],
  "packages/rpc": ["measure", "wire"],
  "packages/verdict": ["measure", "window", "catalogue"],
  "apps/agent": ["measure", "window", "prober", "wire", "rpc", "identity", "settings"],
  "apps/collector": ["measure", "window", "catalogue", "verdict", "wire", "rpc", "identity", "settings"],
  "apps/cli": ["measure", "window", "catalogue", "prober", "verdict", "wire", "rpc", "identity", "reflector"],
  "apps/reflector": ["measure", "probe", "stamp", "wire", "rpc", "settings"],
  // What several tools need: programs as processes, a collector of its own, a relay, seeds, tables.
  "tools/harness": ["measure", "wire", "rpc", "identity", "settings", "bundle"],
  "tools/lab": ["measure", "stamp", "identity", "settings", "wire", "reflector", "verdict"],
  "tools/local": ["measure", "catalogue", "rpc", "settings", "harness", "lab", "cli", "bundle"],
  // bundle has Node's flags; extension has the container that runs on a node of the lab.
  "tools/drill": ["measure", "catalogue", "verdict", "rpc", "settings", "harness", "lab", "cli", "bundle", "extension"],
  // cli has the rows of check and status, catalogue the patterns of --only.
  "tools/field": ["measure", "catalogue", "settings", "harness", "lab", "cli", "bundle"],
  // The cost of rolling up is measured on the collector's store.
  "tools/bench": [
    "measure",
    "window",
    "probe",
    "prober",
    "wire",
    "rpc",
    "settings",
    "agent",
    "collector",
    "reflector",
    "lab",
    "bundle",
    "harness",
  ],
  // It names the sources of the programs and imports none.
  "tools/bundle": [],
  "tools/crash": ["measure", "wire", "settings", "harness"],
  // Every room that decodes input; harness has the seeded random numbers.
  "tools/fuzz": [
    "measure",
    "window",
    "catalogue",
    "probe",
    "stamp",
    "identity",
    "settings",
    "wire",
    "agent",
    "collector",
    "harness",
  ],
  "tools/soak": ["measure", "window", "wire", "rpc", "settings", "bundle", "harness"],
  // harness starts the shipped programs with the flags of bundle; window has what an honest node reports.
  "tools/attack": ["measure", "window", "wire", "rpc", "identity", "settings", "bundle", "harness"],
  // Manifests and guides are checked with the programs' parsers, Node's flags of bundle, and a running collector.
  "tools/deploy": ["measure", "catalogue", "wire", "rpc", "settings", "agent", "collector", "reflector", "bundle"],
  // The agent reads the configuration in an image, bundle has Node's flags, harness the collector that it reports to.
  "tools/extension": ["measure", "yaml", "wire", "rpc", "settings", "agent", "bundle", "harness"],
  "tools/workspace": [],
};

/** Room → more rooms that its tests may import, each with its reason. */
const ALLOWED_IN_TESTS: Record<string, readonly string[]> = {
  // First contact is tested with real CAs. Shipped, the certificate library would be in every process that uses gRPC.
  "packages/rpc": ["identity"],
  // Chains are tested with certificates made for each case. Shipped, a probe only reads certificates.
  "packages/probe": ["identity"],
  // The command line's variables are compared with those that the other programs ignore.
  "apps/cli": ["settings"],
};

/** Tempting imports, and why they stay forbidden. */
const FORBIDDEN: readonly { from: string; to: string; because: string }[] = [
  {
    from: "packages/measure",
    to: "window",
    because: "measure is the vocabulary of all rooms and depends on none",
  },
  {
    from: "packages/wire",
    to: "rpc",
    because: "a reader of stored messages needs no network",
  },
  { from: "packages/window", to: "wire", because: "windows are pure; the wire encodes them" },
  {
    from: "packages/catalogue",
    to: "probe",
    because: "the catalogue is data (C1); requirements do not depend on how they are measured",
  },
  { from: "packages/verdict", to: "wire", because: "the judge is pure (J1): an audit replays it without a network" },
  {
    from: "packages/settings",
    to: "catalogue",
    because:
      "a setting is a text, a number or a path; programs interpret it, and the agent must not load the catalogue",
  },
  {
    from: "apps/cli",
    to: "settings",
    because: "settings loads pino, which takes 60 ms of each command",
  },
  { from: "packages/verdict", to: "probe", because: "the judge sees windows, never sockets" },
  {
    from: "packages/probe",
    to: "catalogue",
    because: "a probe measures a target and does not know whether it is required (M1)",
  },
  {
    from: "apps/agent",
    to: "catalogue",
    because: "the agent receives targets; the collector resolves and judges; every MB stays in RAM on the node",
  },
  { from: "apps/agent", to: "verdict", because: "a node does not judge itself" },
  {
    from: "apps/agent",
    to: "probe",
    because: "the agent measures only through prober, as `lifeline check` does",
  },
  {
    from: "apps/cli",
    to: "probe",
    because: "`lifeline check` measures only through prober, as the agent does",
  },
  {
    from: "packages/prober",
    to: "catalogue",
    because: "the loop turns targets into windows and does not know requirements (C1); the agent ships it",
  },
  {
    from: "packages/prober",
    to: "verdict",
    because: "the loop measures and does not judge; the agent ships it",
  },
  { from: "packages/prober", to: "wire", because: "windows are measured without a collector; the apps encode them" },
  {
    from: "packages/probe",
    to: "prober",
    because: "a probe is one attempt (M1); the loop decides when the next one is made",
  },
  { from: "apps/collector", to: "probe", because: "the collector measures nothing" },
  { from: "apps/cli", to: "collector", because: "apps meet on the wire only" },
  { from: "apps/agent", to: "lab", because: "nothing shipped imports tools" },
];

/**
 * Node's modules that open sockets, and the rooms that may import them. Only probe and reflector open measured sockets.
 */
const SOCKET_MODULES = ["net", "tls", "dgram", "http", "https", "http2", "dns", "dns/promises"];
const MAY_OPEN_SOCKETS: Record<string, readonly string[]> = {
  "packages/probe": SOCKET_MODULES,
  // isIP: an address is what Node connects to.
  "packages/measure": ["net"],
  // http2: error codes.
  "packages/rpc": ["net", "tls", "http2"],
  // isIP and BlockList, for the node's own addresses and resolvers.
  "packages/prober": ["net"],
  "packages/identity": ["net"],
  // isIP and BlockList, for addresses and loopback.
  "packages/settings": ["net"],
  "apps/agent": ["net"],
  "apps/cli": ["net"],
  "apps/reflector": ["dgram", "net", "dns", "dns/promises"],
  // tls: checks certificates before the listener uses them.
  "apps/collector": ["http", "net", "tls"],
  "tools/lab": SOCKET_MODULES,
  "tools/local": ["net", "dns"],
  "tools/bench": SOCKET_MODULES,
  // A relay between agent and collector, and targets that turn.
  "tools/harness": ["net"],
  // False collectors, eavesdroppers and floods.
  "tools/attack": ["net", "tls", "http", "http2", "dgram"],
  // A port that reports its first connection; Node's list of root CAs.
  "tools/extension": ["net", "tls"],
  // Texts of small programs that run in a namespace.
  "tools/drill": ["dgram", "net"],
};

/** The only file that may read a clock (M2). */
const CLOCK = "packages/measure/src/clock.ts";
const READS_TIME = /\b(Date\.now|performance\.now|process\.hrtime|new Date\(\s*\)|setTimeout|setInterval)\b/;
/** Other files that may wait or read time, each with its reason. */
const MAY_READ_TIME: Record<string, string> = {
  "tools/drill/src/false-alarms.ts":
    "holds the text of a small program for a namespace, where nothing can be passed in",
  "tools/drill/src/lab-programs.ts": "holds the text of such a program too",
  "tools/harness/src/wall-clock.ts": "shifts the wall clock of a shipped program",
};
const DRAWS_CHANCE = /\bMath\.random\b/;

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly isTest: boolean;
}

const files: readonly SourceFile[] = globSync("{packages,apps,tools}/*/src/**/*.ts", { cwd: root })
  .filter((path) => !path.includes("/src/gen/"))
  .map((path) => ({
    path,
    room: path.split("/").slice(0, 2).join("/"),
    text: readFileSync(join(root, path), "utf8"),
    isTest: path.endsWith(".test.ts") || path.includes("/testing/"),
  }));

const shipped = files.filter(({ isTest }) => !isTest);

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\(\s*)["']([^"']+)["']/g)].flatMap(
    (match) => match[1] ?? [],
  );
}

const roomsImportedBy = ({ text }: SourceFile) =>
  importsOf(text).flatMap((specifier) => (specifier.startsWith("@lifeline/") ? [specifier.split("/")[1] ?? ""] : []));

/** A room's second export, for tests. */
const TESTING = /^@lifeline\/[a-z]+\/testing$/;

/** Lines that are not only a comment. Finding comments at line ends would need a parser. */
const codeLines = (text: string) => text.split("\n").filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line));

describe("imports point one way", () => {
  it("every room is in the table", () => {
    const rooms = globSync("{packages,apps,tools}/*/package.json", { cwd: root }).map((path) =>
      path.split("/").slice(0, 2).join("/"),
    );
    expect(rooms.sort()).toEqual(Object.keys(ALLOWED).sort());
  });

  it("the table allows no forbidden import", () => {
    for (const { from, to, because } of FORBIDDEN) expect(ALLOWED[from], because).not.toContain(to);
  });

  it("no room reaches itself through the rooms it imports", () => {
    const pathOf = (name: string) => Object.keys(ALLOWED).find((room) => room.endsWith(`/${name}`)) ?? name;
    const reach = (room: string, seen: readonly string[]): void => {
      expect(seen, `${[...seen, room].join(" → ")}`).not.toContain(room);
      for (const next of ALLOWED[room] ?? []) reach(pathOf(next), [...seen, room]);
    };
    for (const room of Object.keys(ALLOWED)) reach(room, []);
  });

  it.each(Object.entries(ALLOWED))("%s imports only what the table allows", (room, allowed) => {
    const wrong = files
      .filter((file) => file.room === room)
      .flatMap((file) =>
        roomsImportedBy(file)
          .filter((name) => !allowed.includes(name))
          .filter((name) => !(file.isTest && ALLOWED_IN_TESTS[room]?.includes(name)))
          .map((name) => `${file.path} → ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(ALLOWED))("%s declares no room the table does not allow", (room, allowed) => {
    const manifest = JSON.parse(readFileSync(join(root, room, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    const rooms = Object.keys(manifest.dependencies ?? {}).flatMap((name) =>
      name.startsWith("@lifeline/") ? [name.slice("@lifeline/".length)] : [],
    );
    expect(rooms.filter((name) => !allowed.includes(name))).toEqual([]);
  });

  it("no file reaches into another room's inside", () => {
    const wrong = files.flatMap(({ path, text, room, isTest }) =>
      importsOf(text)
        .filter((specifier) => specifier.startsWith("@lifeline/") && specifier.split("/").length > 2)
        .filter((specifier) => !(TESTING.test(specifier) && (isTest || room.startsWith("tools/"))))
        .concat(
          importsOf(text).filter(
            (specifier) => specifier.startsWith(".") && !join(path, "..", specifier).startsWith(room),
          ),
        )
        .map((specifier) => `${path} → ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("the world is passed in", () => {
  it("only the rooms named may open sockets", () => {
    const wrong = shipped.flatMap(({ path, room, text }) =>
      importsOf(text)
        .filter((specifier) => SOCKET_MODULES.includes(specifier.replace(/^node:/, "")))
        .filter((specifier) => !(MAY_OPEN_SOCKETS[room] ?? []).includes(specifier.replace(/^node:/, "")))
        .map((specifier) => `${path} → ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it("only the clock reads time (M2)", () => {
    const wrong = shipped
      .filter(({ path }) => path !== CLOCK && !(path in MAY_READ_TIME))
      .flatMap(({ path, text }) =>
        codeLines(text)
          .filter((line) => READS_TIME.test(line))
          .map((line) => `${path}: ${line.trim()}`),
      );
    expect(wrong).toEqual([]);
  });

  it("chance is drawn only where a program begins (M2)", () => {
    const wrong = shipped
      .filter(({ path }) => !path.endsWith("/main.ts"))
      .flatMap(({ path, text }) =>
        codeLines(text)
          .filter((line) => DRAWS_CHANCE.test(line))
          .map((line) => `${path}: ${line.trim()}`),
      );
    expect(wrong).toEqual([]);
  });

  it("no file has a name for nothing", () => {
    const names = /(^|\/)(utils?|helpers?|managers?|handlers?|data|common|misc|types|shared)\.ts$/;
    expect(shipped.map(({ path }) => path).filter((path) => names.test(path))).toEqual([]);
  });
});
