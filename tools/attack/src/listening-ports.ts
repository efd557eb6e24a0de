/** The TCP ports that a process listens on, as Linux tells it (proc_pid_net(5), proc_pid_fd(5)). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Of /proc/net/tcp: the state of a socket that listens. */
const LISTEN = "0A";

/** Empty when the process is gone. */
export function listeningPorts(pid: number): readonly number[] {
  const inodes = new Set(socketsOf(pid));
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? ""))
      .map((fields) => Number.parseInt(fields[1]?.split(":")[1] ?? "", 16)),
  );
}

function socketsOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1] ?? [];
    } catch {
      // The file was closed during the read.
      return [];
    }
  });
}
