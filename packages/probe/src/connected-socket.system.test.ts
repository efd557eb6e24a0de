import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/**
 * A network namespace in which sockets get one of two ports. The first is the one to send to. Needs root and iproute2.
 */
const SETUP = "ip link set lo up && echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range";

const PROGRAM = `
const { connectedSocket } = await import(${JSON.stringify(new URL("connected-socket.ts", import.meta.url).href)});
const ports = [];
for (let round = 0; round < 40; round += 1) {
  const socket = await connectedSocket(4, "127.0.0.1", 40000);
  ports.push(socket.address().port);
  socket.close();
}
process.stdout.write(JSON.stringify([...new Set(ports)]));
`;

const inNetwork = (command: string, ...args: string[]) =>
  spawnSync("unshare", ["-n", "sh", "-c", `${SETUP} && exec "$@"`, "sh", command, ...args], { encoding: "utf8" });
const canUnshare = inNetwork("true").status === 0 || process.env["CI"] === "true";

it.skipIf(!canUnshare)(
  "a connected socket never has the port that it sends to, which a reflector does not answer",
  () => {
    const flags = ["--conditions=lifeline:source", "--input-type=module", "-e"];
    const { stdout, stderr } = inNetwork(process.execPath, ...flags, PROGRAM);
    expect({ stdout, stderr }).toEqual({ stdout: "[40001]", stderr: "" });
  },
);
