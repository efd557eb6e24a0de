/**
 * The guide for Talos: its commands exist, its figures are those of BUDGETS.md, and its troubleshooting quotes what the
 * programs log.
 */
import { describe, expect, it } from "vitest";
import { grammarProblem } from "./command-grammar.ts";
import { commandsOf, inlineCommandsOf, quotedIn, tableOf } from "./markdown.ts";
import { ownProblem } from "./own-command.ts";
import { filesOf, textOf } from "./repository.ts";

const GUIDE = "docs/install-talos.md";
const guide = textOf(GUIDE);

/** The room that builds the extension checks its own command. */
const commands = [...commandsOf(guide), ...inlineCommandsOf(guide, ["lifeline", "talosctl"])].filter(
  (command) => !command.join(" ").startsWith("npm run extension"),
);

describe("commands", () => {
  it("are found", () => {
    const text = "a `b c` and\n`b\nd`\n\n    b --c \\\n      --d > e\n    (umask 077; f > g)\n";
    expect(commandsOf(text)).toEqual([["b", "--c", "--d"], ["f"]]);
    expect(inlineCommandsOf(text, ["b"])).toEqual([
      ["b", "c"],
      ["b", "d"],
    ]);
    expect(commands.length).toBeGreaterThanOrEqual(20);
  });

  it.each(commands.map((command) => [command.join(" "), command] as const))("%s exists", (_, command) => {
    const isOwn = ["lifeline", "node"].includes(command[0] ?? "");
    expect(isOwn ? ownProblem(command) : grammarProblem(command)).toBeUndefined();
  });

  it("push the file that the imager has written for the same architecture", () => {
    const arches = commandsOf(guide)
      .filter((command) => command.includes("installer") || command[1] === "push")
      .map((command) =>
        command
          .join(" ")
          .match(/--arch (\w+)|installer-(\w+)\.tar/)
          ?.slice(1)
          .join(""),
      );
    expect(arches).toEqual(["amd64", "amd64"]);
  });
});

it("the size of the extension is that of BUDGETS.md", () => {
  const [, measured] = /amd64: squashfs ([\d.]+ MB)/.exec(textOf("BUDGETS.md")) ?? [];
  const sizes = [...guide.matchAll(/compressed: ([\d.]+ MB) on amd64/g)].map((match) => match[1]);
  expect(measured).toBeDefined();
  expect(sizes).toEqual([measured]);
});

describe("troubleshooting", () => {
  const rows = tableOf(guide, "In the log");
  const sources = filesOf("{apps/agent,apps/collector,packages/{wire,rpc,identity,settings}}/src/**/*.ts")
    .filter((path) => !path.endsWith(".test.ts"))
    .map(textOf)
    .join("\n");
  /** Words that are not in the sources: of pino, gRPC and TLS, and commands. */
  const OTHERS = /^(status|detail|code|fatal|UNAVAILABLE|certificate (is not yet valid|has expired)|talosctl .*)$/;

  it("is found", () => {
    expect(rows.length).toBeGreaterThan(15);
  });

  it("and every log line of a good start is in the sources", () => {
    const sentences = guide.replaceAll("\n", " ").match(/(It logs|The log has) [^.]*\./g) ?? [];
    const quotes = sentences.flatMap(quotedIn);
    expect(quotes.length).toBe(5);
    // A template may give the last word.
    const isLogged = (quote: string) => sources.includes(quote) || sources.includes(quote.replace(/ \w+$/, " ${"));
    expect(quotes.filter((quote) => !isLogged(quote))).toEqual([]);
  });

  it.each(rows.map(([symptom = ""]) => symptom))("%s is what a program logs", (symptom) => {
    for (const quoted of quotedIn(symptom).filter((text) => !OTHERS.test(text))) {
      // A quote may have a gap, or a key with its value: each piece must be there.
      for (const piece of quoted.split(/sha256:…|"|:(?=")/).map((text) => text.trim())) {
        expect(sources.includes(piece), `"${piece}" is in the sources`).toBe(true);
      }
    }
  });
});
