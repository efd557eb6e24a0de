import { describe, expect, it } from "vitest";
import { readStartOptions } from "./start-options.ts";

const FLAGS = "--host, --api-port, --machine-api-port, --siderolink-port, --name, --control, --state-file";

describe("the command line of the stand-in", () => {
  it("requests loopback and ports of the kernel's choice when empty", () => {
    expect(readStartOptions([])).toEqual({
      host: "127.0.0.1",
      ports: { api: 0, machineApi: 0, siderolink: 0 },
      names: [],
    });
  });

  it("takes every flag, in either form", () => {
    const line = `--host ::1 --api-port=8443 --machine-api-port 8090 --siderolink-port 50180 --name omni.lab --name=10.0.0.1
      --control /run/lab.sock --state-file /run/lab.json`;
    expect(readStartOptions(line.split(/\s+/))).toEqual({
      host: "::1",
      ports: { api: 8443, machineApi: 8090, siderolink: 50180 },
      names: ["omni.lab", "10.0.0.1"],
      controlPath: "/run/lab.sock",
      stateFile: "/run/lab.json",
    });
  });

  it.each([
    ["--prot 1", `--prot: unknown flag; expected ${FLAGS}`],
    ["-p 1", `-p: unknown flag; expected ${FLAGS}`],
    ["start", '"start": unexpected argument; expected flags only'],
    ["--control", "--control: needs a value"],
    ["--control=", "--control: needs a value"],
    ["--control --host ::1", "--control: needs a value"],
    ["--host ::1 --host ::1", "--host: given more than once"],
    ["--host omni.lab", '--host: "omni.lab" is not an IP address; expected such as 127.0.0.1 or ::1'],
    ["--api-port 65536", '--api-port: "65536" is not a port; expected a whole number from 0 to 65535'],
    ["--machine-api-port -1", '--machine-api-port: "-1" is not a port; expected a whole number from 0 to 65535'],
    ["--siderolink-port 5e3", '--siderolink-port: "5e3" is not a port; expected a whole number from 0 to 65535'],
    ["--name -bad-", '--name: "-bad-" is neither a DNS name nor an IP address'],
  ])("%s is refused, saying what would be right", (line, message) => {
    expect(() => readStartOptions(line.split(" "))).toThrow(expect.objectContaining({ code: "bad-input", message }));
  });
});
