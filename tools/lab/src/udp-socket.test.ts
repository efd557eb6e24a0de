import { createSocket } from "node:dgram";
import { once } from "node:events";
import { fstatSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { inodesOfPort, udpSocketFd } from "./udp-socket.ts";

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  287: 0100007F:C404 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0
  288: 00000000:0044 0100007F:C404 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0
  290: 00000000:C404 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 0
`;

describe("the UDP socket of a port", () => {
  it.each([
    [50180, ["4711", "4713"]],
    [68, ["4712"]],
    [4, []],
  ])("is found in the kernel's table by its local port %d alone", (port, inodes) => {
    expect(inodesOfPort(TABLE, port)).toEqual(inodes);
  });

  it.each(["127.0.0.1", "::1"])("is this process's own descriptor (%s)", async (host) => {
    const socket = createSocket(host === "::1" ? "udp6" : "udp4").bind(0, host);
    await once(socket, "listening");
    const fd = await udpSocketFd(socket.address().port);
    expect(fstatSync(fd).isSocket()).toBe(true);
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toMatch(/^socket:/);
    const port = socket.address().port;
    socket.close();
    await once(socket, "close");
    await expect(udpSocketFd(port)).rejects.toMatchObject({
      code: "fault-unavailable",
      message: `drop: /proc shows no UDP socket of this process on port ${port}`,
    });
  });
});
