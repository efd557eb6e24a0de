import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readMaintenance } from "./maintenance.ts";
import { bytesAt } from "./tree.ts";

const AUTHORITY = `sha256:${"ab".repeat(32)}`;
const CONFIG = `# rack 7\ncollector: collector.example.internal:9470\nenrol: { authority: "${AUTHORITY}" }\n`;
const TOKEN = "1f2e3d4c.c2VjcmV0LWpvaW4tdG9rZW4";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-maintenance-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
const read = (config: string, token = TOKEN) => readMaintenance(write("agent.yaml", config), write("token", token));

describe("what an image for maintenance mode brings along", () => {
  it("is the configuration as it was written, and the token", () => {
    const tree = read(`${CONFIG}logLevel: debug\nresolvers: ["10.0.0.53:53"]\n`, `${TOKEN}\n`);
    expect([...tree.keys()].sort()).toEqual(["usr/local/etc/lifeline/agent.yaml", "usr/local/etc/lifeline/join-token"]);
    const text = (path: string) => new TextDecoder().decode(bytesAt(tree, path));
    expect(text("usr/local/etc/lifeline/agent.yaml")).toBe(`${CONFIG}logLevel: debug\nresolvers: ["10.0.0.53:53"]\n`);
    expect(text("usr/local/etc/lifeline/join-token")).toBe(`${TOKEN}\n`);
  });

  it.each([
    ["no collector", `enrol: { authority: "${AUTHORITY}" }`, "collector: got none, want host:port"],
    ["no authority", "collector: 127.0.0.1:9470", "enrol: got none, want {authority}"],
    ["nothing", "", "collector: got none, want host:port"],
    ["the id of one machine", `${CONFIG}nodeId: worker-1`, "nodeId: got it, want it left out"],
    ["a place of its own", `${CONFIG}stateDir: /var/lib/lifeline`, "stateDir: got it, want it left out"],
    ["a file that is not there", `${CONFIG}stampKeyFile: /etc/key`, "stampKeyFile: got it, want it left out"],
    [
      "another token's file",
      `collector: c:1\nenrol: { authority: "${AUTHORITY}", tokenFile: t }`,
      "enrol.tokenFile: got it, want it left out: the image brings the token",
    ],
    ["what the agent refuses", `${CONFIG}colector: c:1`, "colector"],
    ["a fingerprint that is none", 'collector: c:1\nenrol: { authority: "sha256:1" }', "enrol.authority"],
    ["what is no YAML", "a: [", "want a YAML or JSON document"],
  ])("is refused with %s", (_, config, why) => {
    expect(() => read(config)).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringContaining(why) }),
    );
  });

  it("is refused with a file that holds no token, of which nothing is repeated", () => {
    const secret = "two words";
    expect(() => read(CONFIG, secret)).toThrow("want one join token, printable, without spaces");
    expect(() => read(CONFIG, secret)).not.toThrow(secret);
    expect(() => readMaintenance(write("agent.yaml", CONFIG), join(directory, "none"))).toThrow("ENOENT");
    expect(() => readMaintenance(join(directory, "none"), write("token", TOKEN))).toThrow("ENOENT");
  });
});
