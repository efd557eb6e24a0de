/** Whether this machine can carry a fleet. */
import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { reasonText } from "../../lab-error.ts";

/** Program → the Debian package it is in. */
const PROGRAMS = {
  ip: "iproute2",
  tc: "iproute2",
  nft: "nftables",
  wg: "wireguard-tools",
  "wireguard-go": "wireguard-go",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  cc: "gcc",
} as const;

const TRIAL_MAX_MS = 20_000;
/** Creates each kind of object the fleet needs, once, in namespaces that end with the call. */
const TRIAL = `
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
ip link add trial0 type veth peer name trial1
ip link add trial2 type bridge
ip tuntap add trial3 mode tun
printf 'table inet trial { chain path { type filter hook forward priority filter; numgen random mod 100 < 1 counter drop; }; }' | nft -f -
`;

const run = promisify(execFile);

/** `true`, or for people the reason why no fleet can be made here. Leaves nothing behind. */
export async function canRunFleet(): Promise<true | string> {
  if (process.platform !== "linux") return `this is ${process.platform}; namespaces are Linux's`;
  const uid = process.getuid?.();
  if (uid !== 0) return `running as uid ${uid}; namespaces and TUN devices need root`;
  for (const [program, debian] of Object.entries(PROGRAMS)) {
    if (!(await isInstalled(program))) return `no program ${program} (Debian: ${debian})`;
  }
  const noTun = await access("/dev/net/tun", constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: unknown) => `no TUN devices: ${reasonText(error)}`,
  );
  if (noTun !== undefined) return noTun;
  const namespaces = ["--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"];
  return run("unshare", [...namespaces, "sh", "-ec", TRIAL], { timeout: TRIAL_MAX_MS }).then(
    () => true as const,
    (error: unknown) => `namespaces: ${reasonText(error).trim()}`,
  );
}

/** Whether a program is in one of PATH's folders. */
export async function isInstalled(program: string): Promise<boolean> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "") continue;
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
