/** The guide for Talos: its commands are those there are, and its troubleshooting quotes what the programs say. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commandsOf, quotedIn, tableOf } from "./markdown.ts";
import { filesOf, ROOT, textOf } from "./place.ts";
import { flagsOf, settingsOf } from "./program.ts";

const GUIDE = "docs/install-talos.md";
const guide = textOf(GUIDE);

/** Flags of other people's programs, as their sources had them in August 2026: those that the guide may use. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  // Docker's own, and behind the image's name the imager's (Talos, cmd/installer/cmd/imager).
  docker: ["--rm", "--platform", "--arch", "--system-extension-image", "--extra-kernel-arg"],
  crane: [],
  skopeo: ["--all"],
  talosctl: ["--image"],
};

function help(path: string, words: readonly string[]): string {
  const main = join(ROOT, path);
  const args = ["--conditions=lifeline:source", main, ...words, "--help"];
  return execFileSync(process.execPath, args, { encoding: "utf8" });
}

/** The flags that a command of the guide may have; undefined: nobody knows it. */
function knownFlags(command: readonly string[]): readonly string[] | undefined {
  const [program = "", ...rest] = command;
  if (program === "lifeline") {
    const words = rest.slice(
      0,
      rest.findIndex((word) => word.startsWith("-")),
    );
    return help("apps/cli/src/main.ts", words).match(/--[a-z][a-z-]*/g) ?? [];
  }
  if (program === "node") return [...settingsOf("collector").flags];
  if (program === "npm")
    return Object.keys(JSON.parse(textOf("package.json")).scripts).includes(rest[1] ?? "") ? [] : undefined;
  return FOREIGN[program];
}

/** How the extension is built is the business of the room that builds it. */
const commands = commandsOf(guide).filter((command) => !command.join(" ").startsWith("npm run extension"));

describe("commands", () => {
  it("are found", () => {
    expect(commandsOf("a\n\n    b --c \\\n      --d > e\n    f\n")).toEqual([["b", "--c", "--d"], ["f"]]);
    expect(commands.length).toBeGreaterThanOrEqual(10);
  });

  it.each(commands.map((command) => [command.join(" "), command] as const))(
    "%s has only flags that there are",
    (_, command) => {
      const known = knownFlags(command);
      expect(known).toBeDefined();
      expect(flagsOf(command).filter((flag) => !known?.includes(flag))).toEqual([]);
    },
  );
});

describe("troubleshooting", () => {
  const rows = tableOf(guide, "In the log");
  const sources = filesOf("{apps/agent,apps/collector,packages/wire,packages/rpc,packages/identity}/src/**/*.ts")
    .filter((path) => !path.endsWith(".test.ts"))
    .map(textOf)
    .join("\n");
  /** What others say: a log's own words of JSON, gRPC's and TLS's, commands. */
  const OTHERS =
    /^(status|detail|code|fatal|UNAVAILABLE|"code":"invalid"|certificate (is not yet valid|has expired)|talosctl .*)$/;

  it("is found", () => {
    expect(rows.length).toBeGreaterThan(15);
  });

  it.each(rows.map(([symptom = ""]) => symptom))("%s is what a program says", (symptom) => {
    for (const quoted of quotedIn(symptom).filter((text) => !OTHERS.test(text))) {
      // A pattern with a gap, or a key with its value: piece by piece.
      for (const piece of quoted.split(/sha256:…|"|:(?=")/).map((text) => text.trim())) {
        expect(sources).toContain(piece === ", want" ? ", want " : piece);
      }
    }
  });
});
