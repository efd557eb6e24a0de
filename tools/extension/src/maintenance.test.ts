import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "@lifeline/agent";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readArguments } from "./arguments.ts";
import { maintenanceVariant } from "./maintenance.ts";
import { CONFIG_FILE, environmentOf, JOIN_TOKEN_FILE, MAINTENANCE } from "./service.ts";
import { bytesAt } from "./tree.ts";
import { readArguments as readVerifyArguments } from "./verify/arguments.ts";

const CA_FINGERPRINT = `sha256:${"ab".repeat(32)}`;
const CONFIG = `# rack 7\ncollector: collector.example.internal:9470\nenrol: { caFingerprint: "${CA_FINGERPRINT}" }\n`;
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
const make = (config: string, token = TOKEN) => maintenanceVariant(write("agent.yaml", config), write("token", token));
const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toMatchObject({ code: "usage" });
    return String(error);
  }
  throw new Error("it was not refused");
};

describe("an image for maintenance mode", () => {
  it("is of the service that waits for nothing, and brings the configuration as it was written, and the token", () => {
    const config = `${CONFIG}logLevel: debug\nresolvers: ["10.0.0.53:53"]\n`;
    const { service, files } = make(config, `${TOKEN}\n`);
    expect(service).toBe(MAINTENANCE);
    const text = (path: string) => new TextDecoder().decode(bytesAt(files, path.slice(1)));
    expect([...files.keys()].sort()).toEqual([CONFIG_FILE.slice(1), JOIN_TOKEN_FILE.slice(1)]);
    expect([text(CONFIG_FILE), text(JOIN_TOKEN_FILE)]).toEqual([config, `${TOKEN}\n`]);
  });

  it("is configured by its service's environment as well, as the agent reads it", () => {
    const environment = environmentOf(MAINTENANCE).map((line) => line.split(/=(.*)/s, 2) as [string, string]);
    const config = parseConfig("agent.yaml", CONFIG, Object.fromEntries(environment));
    expect(config).toMatchObject({
      stateDir: "/run/lifeline-agent",
      enrol: { tokenFile: JOIN_TOKEN_FILE },
      spool: { maxBytes: 25_165_824 },
    });
  });

  it.each([
    ["no collector", `enrol: { caFingerprint: "${CA_FINGERPRINT}" }`, "collector: got none, want host:port"],
    ["no fleet CA", "collector: 127.0.0.1:9470", "enrol: got none, want {caFingerprint}"],
    ["nothing", "", "collector: got none, want host:port"],
    [
      "another token's file",
      `collector: c:1\nenrol: { caFingerprint: "${CA_FINGERPRINT}", tokenFile: t }`,
      "enrol.tokenFile: got it, want it left out: the image brings the token",
    ],
    ["what the agent refuses", `${CONFIG}colector: c:1`, "colector"],
    ["a fingerprint that is none", 'collector: c:1\nenrol: { caFingerprint: "sha256:1" }', "enrol.caFingerprint"],
    ["what is no YAML", "a: [", "got broken YAML (BAD_INDENT)"],
  ])("is refused with %s", (_, config, why) => {
    expect(refusal(() => make(config))).toContain(why);
  });

  it.each([
    "nodeId: worker-1",
    "stateDir: /var/lib/lifeline",
    "stampKeyFile: /etc/key",
    "hostsFile: /etc/hosts",
    "plan: { file: plan.yaml }",
    "talos: { socket: /system/run/machined/machine.sock }",
    "roles: [omni-host]",
    "runAsUid: 0",
    "allowPlaintext: true",
    "spool: { maxBytes: 8388608 }",
  ])("is refused with what is not of all machines alike: %s", (line) => {
    const [key = ""] = line.split(":");
    expect(refusal(() => make(`${CONFIG}${line}`))).toContain(`${key}: got it, want it left out: of all machines`);
  });

  it.each(["two words", "hunter2", "", `${TOKEN}\n${TOKEN}`])("is refused with %j for a token", (token) => {
    const said = refusal(() => make(CONFIG, token));
    expect(said).toMatch(/--join-token: .*token: want one join token, as lifeline token create prints it/);
    if (token !== "") expect(said).not.toContain(token);
  });

  it("is refused, and repeats no secret, when the files are the wrong way round", () => {
    const [config, token] = [write("agent.yaml", CONFIG), write("token", TOKEN)];
    const said = refusal(() => maintenanceVariant(token, config));
    expect(said).toContain("token: got a text, want a mapping");
    expect(said).not.toContain("c2VjcmV0");
  });

  it("is refused when a file is not there", () => {
    const gone = join(directory, "gone");
    expect(refusal(() => maintenanceVariant(gone, write("token", TOKEN)))).toContain(
      `--maintenance: ${gone}: got ENOENT, want a file that can be read`,
    );
    expect(refusal(() => maintenanceVariant(write("a", CONFIG), gone))).toContain(
      `--join-token: ${gone}: got ENOENT, want a file that can be read`,
    );
  });
});

describe("the guide", () => {
  const guide = readFileSync(join(import.meta.dirname, "../../../docs/install-talos.md"), "utf8");
  const [, section = ""] = guide.split(/^## Before a machine has joined.*$/m);

  it("shows a configuration that the variant takes", () => {
    const [, config = ""] = /```yaml\n(.*?)```/s.exec(section) ?? [];
    expect(make(config).service).toBe(MAINTENANCE);
  });

  it("names the commands that build and run it", () => {
    const commands = [...guide.matchAll(/npm run (extension(?::verify)?)(?: -- ([^`\n]*))?[`\n]/g)];
    expect(commands.map(([, name]) => name)).toEqual(expect.arrayContaining(["extension", "extension:verify"]));
    for (const [, name, args = ""] of commands) {
      const words = args.split(" ").filter((word) => word !== "");
      expect(() => (name === "extension" ? readArguments(words) : readVerifyArguments(words))).not.toThrow();
    }
  });
});
