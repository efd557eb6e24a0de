/**
 * The table of allowed imports. An edge that is not here is a wall; where somebody would want to walk through it,
 * the reason against stands beside it.
 */
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
  "tools/lab": ["measure", "stamp", "identity", "wire", "reflector", "verdict"],
  "tools/local": ["measure", "catalogue", "rpc", "lab", "cli", "bundle"],
  // How bundle has Node started; and the container of extension, on a node of the fleet.
  "tools/drill": ["measure", "catalogue", "verdict", "rpc", "lab", "cli", "bundle", "extension"],
  // The collector's store, which no wire leads into: what rolling up costs is measured on it.
  "tools/bench": [
    "measure",
    "window",
    "probe",
    "prober",
    "wire",
    "rpc",
    "identity",
    "agent",
    "collector",
    "reflector",
    "lab",
    "bundle",
  ],
  // The agent as one file, and how each program's Node is started: what images hold and what is measured. It names the sources, and imports none of them.
  "tools/bundle": [],
  "tools/crash": ["measure", "wire", "rpc", "identity"],
  // Every room that reads what others wrote; and the chance of crash, which can be played again.
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
    "crash",
  ],
  // The parts of local, the relay and the turning targets of crash, and how bench reads a process.
  "tools/soak": ["measure", "window", "identity", "wire", "rpc", "bench", "bundle", "crash", "local"],
  // The shipped programs, as crash starts them and with the flags that bundle has for them; the windows that an honest node reports.
  "tools/attack": ["measure", "window", "wire", "rpc", "identity", "bundle", "crash"],
  // Manifests and guides are held against the programs' own parsers, how bundle has Node started, and a collector that runs.
  "tools/deploy": ["measure", "catalogue", "wire", "rpc", "settings", "agent", "collector", "reflector", "bundle"],
  // What an image brings along is read as the agent reads it. How bundle has Node started. The extension is run as a node would run it, and
  // reports to the shipped collector, as crash starts it.
  "tools/extension": ["measure", "yaml", "wire", "rpc", "settings", "agent", "bundle", "crash"],
  "tools/workspace": [],
};

/** Room → rooms that its tests may import besides, each with its reason. */
const ALLOWED_IN_TESTS: Record<string, readonly string[]> = {
  // First contact is held against real authorities. Shipped, their library would be in every process that speaks gRPC.
  "packages/rpc": ["identity"],
  // The names of the variables of the command line are held against those that the other programs leave alone.
  "apps/cli": ["settings"],
};

/** Edges somebody might want, and why they stay walls. */
const FORBIDDEN: readonly { from: string; to: string; because: string }[] = [
  {
    from: "packages/measure",
    to: "window",
    because: "measure is the vocabulary; whoever speaks it must not be pulled in by it",
  },
  {
    from: "packages/wire",
    to: "rpc",
    because: "who opens what was stored needs the messages alone, and speaks to nobody",
  },
  { from: "packages/window", to: "wire", because: "windows are pure; how they travel is the wire's business" },
  {
    from: "packages/catalogue",
    to: "probe",
    because: "the catalogue is data (C1): what must be reachable does not depend on how it is measured",
  },
  { from: "packages/verdict", to: "wire", because: "the judge is pure (J1): an audit replays it without a network" },
  {
    from: "packages/settings",
    to: "catalogue",
    because:
      "a setting is text, a number or a path; what a program makes of it is in the program, and the agent must not load the catalogue",
  },
  {
    from: "apps/cli",
    to: "settings",
    because: "it loads pino, which is 60 ms of each command; the version and the process guard are in measure",
  },
  { from: "packages/verdict", to: "probe", because: "the judge sees windows, never sockets" },
  {
    from: "packages/probe",
    to: "catalogue",
    because: "a probe measures a target; whether that is required is none of its concern (M1)",
  },
  {
    from: "apps/agent",
    to: "catalogue",
    because:
      "the agent is told targets; resolving and judging belong to the collector, and every MB stays in RAM on the node",
  },
  { from: "apps/agent", to: "verdict", because: "a node does not judge itself" },
  {
    from: "apps/agent",
    to: "probe",
    because: "the agent measures through prober alone, so that it and `lifeline check` measure alike",
  },
  {
    from: "apps/cli",
    to: "probe",
    because: "`lifeline check` measures through prober alone, so that it and the agent measure alike",
  },
  {
    from: "packages/prober",
    to: "catalogue",
    because:
      "the loop takes targets and gives windows; what is required is not its concern, and the agent ships it (C1)",
  },
  {
    from: "packages/prober",
    to: "verdict",
    because: "the loop measures and does not judge; the agent ships it, and a node does not judge itself",
  },
  { from: "packages/prober", to: "wire", because: "windows are measured without a collector; the apps encode them" },
  {
    from: "packages/probe",
    to: "prober",
    because: "a probe is one attempt (M1); when to make the next one is the loop's concern",
  },
  { from: "apps/collector", to: "probe", because: "the collector measures nothing" },
  { from: "apps/cli", to: "collector", because: "apps meet on the wire only" },
  { from: "apps/agent", to: "lab", because: "nothing shipped imports tools" },
];

/** Node's modules that open sockets, and the rooms that may. The measured ones are opened by probe and reflector alone. */
const SOCKET_MODULES = ["net", "tls", "dgram", "http", "https", "http2", "dns", "dns/promises"];
const MAY_OPEN_SOCKETS: Record<string, readonly string[]> = {
  "packages/probe": SOCKET_MODULES,
  // isIP: what is an address is what Node connects to.
  "packages/measure": ["net"],
  // http2: its error codes.
  "packages/rpc": ["net", "tls", "http2"],
  // isIP and BlockList: which of the node's own addresses and resolvers are addresses. The sockets are probe's.
  "packages/prober": ["net"],
  "packages/identity": ["net"],
  // isIP and BlockList: what is an address, and what is loopback.
  "packages/settings": ["net"],
  "apps/agent": ["net"],
  "apps/cli": ["net"],
  "apps/reflector": ["dgram", "net", "dns", "dns/promises"],
  // tls: to read certificates whole, before the listener is given them.
  "apps/collector": ["http", "net", "tls"],
  "tools/lab": SOCKET_MODULES,
  "tools/local": ["net", "dns"],
  "tools/bench": SOCKET_MODULES,
  // The way between agent and collector, to be cut; and targets that turn.
  "tools/crash": ["net"],
  // Whoever poses as a collector, listens in, or floods.
  "tools/attack": ["net", "tls", "http", "http2", "dgram"],
  // A port that tells when it is first measured; and Node's own list of authorities, for a node that has none.
  "tools/extension": ["net", "tls"],
  // The texts of small programs that run inside a namespace.
  "tools/drill": ["dgram"],
};

/** The only file that may read a clock (M2). */
const CLOCK = "packages/measure/src/clock.ts";
const READS_TIME = /\b(Date\.now|performance\.now|process\.hrtime|new Date\(\s*\)|setTimeout|setInterval)\b/;
/** Files beside the clock that may wait or read time, each with its reason. */
const MAY_READ_TIME: Record<string, string> = {
  "tools/drill/src/quiet.ts":
    "holds the text of a small program that runs inside a namespace, where nothing can be passed in",
  "tools/crash/src/wall-clock.ts": "is what shifts the wall clock of a program that is shipped without it",
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

/** A room's second export, of what tests need. */
const TESTING = /^@lifeline\/[a-z]+\/testing$/;

/** A file without its comments and strings' inner words would need a parser; a line that only comments is left out. */
const codeLines = (text: string) => text.split("\n").filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line));

describe("imports point one way", () => {
  it("every room is in the table", () => {
    const rooms = globSync("{packages,apps,tools}/*/package.json", { cwd: root }).map((path) =>
      path.split("/").slice(0, 2).join("/"),
    );
    expect(rooms.sort()).toEqual(Object.keys(ALLOWED).sort());
  });

  it("no forbidden edge has crept into the table", () => {
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
