/**
 * The grammar of other projects' command lines, as far as the guides use them. None of these programs is a dependency
 * of the tests, so the grammar was read from their sources.
 */

/** One command. */
export interface CommandGrammar {
  /** Where it was read. */
  readonly source: string;
  /** Its flags, and whether each takes a value. */
  readonly flags: Readonly<Record<string, "alone" | "value">>;
  /** A pattern for each operand, in order. */
  readonly operands: readonly RegExp[];
  /** How many of the operands must be there; default all. */
  readonly operandsMin?: number;
  /** The command that the words after the operands are for. */
  readonly runs?: string;
}

/** An image in a registry, by tag or digest. */
const IMAGE = /^[a-z0-9.-]+(\/[a-z0-9.-]+)+(:[\w.-]+|@sha256:…)$/;
const SERVICE = /^(ext-[-_a-z0-9]+|cri)$/;

const GRAMMARS: Readonly<Record<string, CommandGrammar>> = {
  "docker run": {
    source: "docs.docker.com/reference/cli/docker/container/run",
    flags: { "--rm": "alone", "-t": "alone", "-i": "alone", "-v": "value" },
    operands: [/^[a-z0-9.-]+\/siderolabs\/imager:v\d+\.\d+\.\d+$/],
    runs: "imager",
  },
  imager: {
    source: "siderolabs/talos, cmd/installer/cmd/imager/root.go; profiles: pkg/imager/profile/default.go",
    flags: {
      "--platform": "value",
      "--arch": "value",
      "--system-extension-image": "value",
      "--extra-kernel-arg": "value",
    },
    operands: [/^(installer|iso|-)$/],
  },
  "crane push": {
    source:
      "google/go-containerregistry, cmd/crane/doc/crane_push.md; file names of the imager: pkg/imager/profile/output.go",
    flags: {},
    operands: [/^_out\/installer-(amd64|arm64)\.tar$/, IMAGE],
  },
  "crane digest": {
    source: "google/go-containerregistry, cmd/crane/doc/crane_digest.md",
    flags: {},
    operands: [IMAGE],
  },
  "skopeo copy": {
    source: "containers/skopeo, docs/skopeo-copy.1.md; containers-transports(5)",
    flags: { "--all": "alone" },
    operands: [/^oci:[\w./-]+:[\w.-]+$/, /^docker:\/\/[a-z0-9.-]+(\/[a-z0-9.-]+)+:[\w.-]+$/],
  },
  "talosctl patch": {
    source: "siderolabs/talos, cmd/talosctl/cmd/talos/patch.go",
    flags: { "-p": "value" },
    operands: [/^(mc|machineconfig)$/],
  },
  "talosctl upgrade": {
    source: "siderolabs/talos, cmd/talosctl/cmd/talos/upgrade.go",
    flags: { "--image": "value" },
    operands: [],
  },
  "talosctl get": {
    source: "siderolabs/talos, cmd/talosctl/cmd/talos/get.go",
    flags: {},
    operands: [/^extensions$/],
  },
  "talosctl service": {
    source: "siderolabs/talos, cmd/talosctl/cmd/talos/service.go",
    flags: {},
    operands: [SERVICE, /^(start|stop|restart|status)$/],
    operandsMin: 1,
  },
  "talosctl logs": {
    source: "siderolabs/talos, cmd/talosctl/cmd/talos/logs.go",
    flags: { "-f": "alone" },
    operands: [SERVICE],
  },
};

/** What is wrong with a command line of one of these programs; undefined when nothing is. */
export function grammarProblem(words: readonly string[]): string | undefined {
  const name = words.slice(0, 2).join(" ");
  return problemOf(name, words.slice(2));
}

function problemOf(name: string, words: readonly string[]): string | undefined {
  const grammar = GRAMMARS[name];
  if (grammar === undefined) return `${name}: is not in the table of grammars`;
  const { operands: patterns, runs } = grammar;
  const waiting = [...words];
  const operands: string[] = [];
  while (waiting.length > 0 && (runs === undefined || operands.length < patterns.length)) {
    const word = waiting.shift() ?? "";
    const isFlag = word.startsWith("-") && word !== "-";
    if (!isFlag) operands.push(word);
    const problem = isFlag ? flagProblem(name, grammar, word, waiting) : undefined;
    if (problem !== undefined) return problem;
  }
  return operandProblem(name, grammar, operands) ?? (runs === undefined ? undefined : problemOf(runs, waiting));
}

/** Takes the flag's value from `waiting` where it is a word of its own. */
function flagProblem(name: string, grammar: CommandGrammar, word: string, waiting: string[]): string | undefined {
  const [flag = "", inline] = word.split(/=(.*)/s);
  const takes = grammar.flags[flag];
  if (takes === undefined) return `${name}: has no flag ${flag}`;
  if (takes === "alone") return inline === undefined ? undefined : `${name}: ${flag} takes no value`;
  return (inline ?? waiting.shift() ?? "") === "" ? `${name}: ${flag} needs a value` : undefined;
}

function operandProblem(name: string, grammar: CommandGrammar, operands: readonly string[]): string | undefined {
  const { operands: patterns, operandsMin = patterns.length } = grammar;
  if (operands.length < operandsMin || operands.length > patterns.length)
    return `${name}: got ${operands.length} operands, want ${operandsMin} to ${patterns.length}`;
  const wrong = operands.find((operand, at) => patterns[at]?.test(operand) !== true);
  return wrong === undefined ? undefined : `${name}: ${wrong} does not match ${patterns[operands.indexOf(wrong)]}`;
}
