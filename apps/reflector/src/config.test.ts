import { ConfigError } from "@lifeline/settings";
import { describe, expect, it } from "vitest";
import { readReflectorCommand } from "./config.ts";

function refusal(read: () => unknown): string {
  try {
    read();
    return "taken";
  } catch (error) {
    if (error instanceof ConfigError) return `${error.code} ${error.message}`;
    throw error;
  }
}

describe("the reflector's settings", () => {
  const tls = { caFile: "ca", pair: { certFile: "c", keyFile: "k" } };
  it.each([
    [[], { listen: { host: "::", port: 862 }, keyFile: undefined, maxPerSourcePerSecond: 2_000, witness: undefined }],
    [["--listen", "192.0.2.1:50180"], { listen: { host: "192.0.2.1", port: 50180 } }],
    [["--listen=[::1]:0", "--key-file", "k"], { listen: { host: "::1", port: 0 }, keyFile: "k" }],
    [["--listen", "[fe80::1%eth0]:862"], { listen: { host: "fe80::1%eth0", port: 862 } }],
    [["--max-per-source-per-second", "5"], { maxPerSourcePerSecond: 5 }],
    [
      ["--witness", "50180", "--collector", "a:1", "--allow-plaintext"],
      { witness: { port: 50_180, collector: "a:1", tls: undefined } },
    ],
    [
      ["--witness", "1", "--collector", "a:1", "--tls-ca", "ca"],
      { witness: { port: 1, collector: "a:1", tls: { caFile: "ca", pair: undefined } } },
    ],
    [
      ["--witness", "1", "--collector", "a:1", "--tls-ca", "ca", "--tls-cert", "c", "--tls-key", "k"],
      { witness: { port: 1, collector: "a:1", tls } },
    ],
    [["--share", "50180", "--print-rules"], { share: { port: 50_180, reflectorPort: 862, witness: false } }],
    [
      ["--share", "50180", "--witness", "50180", "--print-rules"],
      { share: { port: 50_180, reflectorPort: 862, witness: true } },
    ],
  ])("read %j", (args, config) => {
    expect(readReflectorCommand(args, {})).toMatchObject({ kind: "run", config });
  });

  const notListen = (text: string) =>
    `bad-value --listen: got "${text}", want ADDRESS:PORT, such as 192.0.2.1:862 or [::]:862`;
  const flags =
    "some of --help, --version, --listen, --key-file, --max-per-source-per-second, --share, --print-rules, --witness, --collector, " +
    "--tls-ca, --tls-cert, --tls-key, --allow-plaintext";
  it.each([
    [["--listen", "862"], notListen("862")],
    [["--listen", "omni.test:862"], notListen("omni.test:862")],
    [["--listen", "::1:862"], notListen("::1:862")],
    [["--listen", "[192.0.2.1]:862"], notListen("[192.0.2.1]:862")],
    [["--listen", "192.0.2.1:65536"], notListen("192.0.2.1:65536")],
    [
      ["--max-per-source-per-second", "0"],
      "bad-value --max-per-source-per-second: got 0, want an integer from 1 to 9999999 requests",
    ],
    [["--port", "1"], `bad-flag command line: got Unknown option '--port', want ${flags}`],
    [["stray"], `bad-flag command line: got an argument that is no flag, want ${flags}`],
    [["--listen"], `bad-flag command line: got Option '--listen <value>' argument missing, want ${flags}`],
    [["--print-rules"], "missing --share: got nothing, want PORT (--share), because --print-rules is given"],
    [
      ["--witness", "5", "--print-rules"],
      "missing --share: got nothing, want PORT (--share), because --print-rules is given",
    ],
    [["--share", "1"], "contradiction --share: got 1, want --print-rules beside it; load what it prints"],
    [["--share", "0", "--print-rules"], "bad-value --share: got 0, want an integer from 1 to 65535"],
    [
      ["--share", "1", "--witness", "2", "--print-rules"],
      "contradiction --witness: got 2, want 1, the port of --share: the rules are for one port",
    ],
    [
      ["--share", "862", "--print-rules"],
      "contradiction --listen: got port 862, want a fixed port other than that of --share, to which rules can redirect",
    ],
    [["--collector", "a:1"], "missing --witness: got nothing, want PORT (--witness), because --collector is given"],
    [
      ["--witness", "1", "--allow-plaintext"],
      "missing --collector: got nothing, want HOST:PORT (--collector), because --witness is given",
    ],
    [
      ["--witness", "1", "--collector", "a:1"],
      "missing --tls-ca: got nothing, want FILE (--tls-ca), because --witness is given",
    ],
    [
      ["--witness", "1", "--collector", "a:1", "--tls-ca", "ca", "--tls-cert", "c"],
      "missing --tls-key: got nothing, want FILE (--tls-key), because --tls-cert is given",
    ],
    [
      ["--witness", "1", "--collector", "a:1", "--allow-plaintext", "--tls-cert", "c", "--tls-key", "k"],
      "missing --tls-ca: got nothing, want FILE (--tls-ca), because --witness is given",
    ],
  ])("refuse %j, and name what is wanted", (args, message) => {
    expect(refusal(() => readReflectorCommand(args, {}))).toBe(message);
  });

  it("ignore the variables of other programs", () => {
    const environment = { LIFELINE_LISTEN: "a", LIFELINE_JOIN_TOKEN: "t" };
    expect(readReflectorCommand([], environment)).toEqual(readReflectorCommand([], {}));
  });

  it("refuse a variable that no program has", () => {
    expect(refusal(() => readReflectorCommand([], { LIFELINE_LISTN: "a" }))).toBe(
      "unknown-variable LIFELINE_LISTN: got an unknown variable, want no variable: this program has flags only",
    );
  });
});
