import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/** A network of its own whose kernel gives sockets one of two ports, the first of which is asked. Needs root and iproute2. */
const SETUP = "ip link set lo up && echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range";

const ASKS = `
const { connectedSocket } = await import(${JSON.stringify(new URL("connected-socket.ts", import.meta.url).href)});
const ports = [];
for (let times = 0; times < 40; times += 1) {
  const socket = await connectedSocket(4, "127.0.0.1", 40000);
  ports.push(socket.address().port);
  socket.close();
}
process.stdout.write(JSON.stringify([...new Set(ports)]));
`;

const inNetwork = (command: string, ...args: string[]) =>
  spawnSync("unshare", ["-n", "sh", "-c", `${SETUP} && exec "$@"`, "sh", command, ...args], { encoding: "utf8" });
const canUnshare = inNetwork("true").status === 0 || process.env["CI"] === "true";

it.skipIf(!canUnshare)("never sends from the port that it sends to, which a reflector does not answer", () => {
  const flags = ["--conditions=lifeline:source", "--input-type=module", "-e"];
  const { stdout, stderr } = inNetwork(process.execPath, ...flags, ASKS);
  expect({ stdout, stderr }).toEqual({ stdout: "[40001]", stderr: "" });
});
