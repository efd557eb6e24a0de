/** Every configuration example in the guides is read by the parser of the program that it is for. */
import { AGENT_PROGRAM, parseConfig as parseAgentConfig } from "@lifeline/agent";
import { parseDeployment } from "@lifeline/catalogue";
import { parseConfig as parseCollectorConfig } from "@lifeline/collector";
import { variablesOf } from "@lifeline/settings";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { blocksOf } from "./markdown.ts";
import { filesOf, textOf } from "./repository.ts";
import { extensionServiceConfig, imagerProfile } from "./talos-document.ts";

/** The parser of each kind of document, by a key that no other kind has. */
const READERS: readonly { readonly key: string; readonly read: (text: string) => unknown }[] = [
  { key: "kind: ExtensionServiceConfig", read: readServiceConfig },
  { key: "baseProfileName:", read: (text) => v.parse(imagerProfile, parse(text)) },
  { key: "omni:", read: (text) => parseDeployment("example", text, () => "") },
  { key: "dataDir:", read: (text) => parseCollectorConfig("/etc/lifeline/collector.yaml", text) },
  { key: "collector:", read: readAgent },
];

function readAgent(text: string) {
  return parseAgentConfig("example", text);
}

function readServiceConfig(text: string) {
  const document = v.parse(extensionServiceConfig, parse(text));
  expect(document.name).toBe("lifeline-agent");
  expect(document.configFiles.map(({ mountPath }) => mountPath)).toEqual(["/usr/local/etc/lifeline/agent.yaml"]);
  const [config] = document.configFiles.map(({ content }) => readAgent(content));
  // The extension sets the state directory.
  expect(parse(document.configFiles[0]?.content ?? "")).not.toHaveProperty("stateDir");
  expect(config?.enrol).toBeDefined();
  const named = document.environment.map((line) => line.split("=", 1)[0] ?? "");
  expect(named.filter((name) => !variablesOf(AGENT_PROGRAM).includes(name))).toEqual([]);
  return document;
}

const readerOf = (text: string) =>
  READERS.find(({ key }) => text.split("\n").some((line) => line.startsWith(key)))?.read;

const examples = filesOf("{*.md,docs/*.md}").flatMap((document) =>
  blocksOf(textOf(document), "yaml").map((text, at) => ({ document, number: at + 1, text })),
);

describe("examples in the guides", () => {
  it("are found", () => {
    expect(examples.map(({ document }) => document)).toContain("docs/install-talos.md");
    expect(examples.length).toBeGreaterThanOrEqual(6);
  });

  it.each(examples)("$document, example $number, is valid", ({ text }) => {
    const read = readerOf(text);
    expect(read, `no parser for:\n${text}`).toBeDefined();
    expect(read?.(text)).toBeDefined();
  });

  it.each(examples)("$document, example $number, is invalid with an unknown key", ({ text }) => {
    expect(() => readerOf(text)?.(`${text}\nunheardOf: 1\n`)).toThrow();
  });
});
