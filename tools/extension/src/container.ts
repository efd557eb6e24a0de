/** The root of a container that runs one bundled program on Node: runtime, program, and the places that are mounted over. */
import { type Bundle, NATIVE_FILE } from "@lifeline/bundle";
import { DIRECTORY, fileOf, type Tree, treeOf } from "./tree.ts";

/** The program's file. */
export const APPLICATION = "/app/main.js";

/** The user of images that need no root: uid and gid, as distroless images number it. */
export const USER_ID = 65_532;

const PASSWD = `root:x:0:0:root:/run:/sbin/nologin
lifeline:x:${USER_ID}:${USER_ID}:Lifeline:/run:/sbin/nologin
`;
const GROUP = `root:x:0:
lifeline:x:${USER_ID}:
`;
/** glibc's own `files` and `dns` are inside libc since 2.34: there is no module to load. */
const NSSWITCH = `passwd: files
group: files
hosts: files dns
`;

/**
 * Names of users and the order of resolvers; and what a runtime mounts over, for a root that is read-only cannot be added to. `userId` may
 * write to /tmp.
 */
export function bareRoot(userId: number): Tree {
  return treeOf({
    "etc/passwd": fileOf(PASSWD),
    "etc/group": fileOf(GROUP),
    "etc/nsswitch.conf": fileOf(NSSWITCH),
    "etc/hosts": fileOf(""),
    "etc/resolv.conf": fileOf(""),
    "etc/ssl/certs": DIRECTORY,
    dev: DIRECTORY,
    proc: DIRECTORY,
    run: DIRECTORY,
    sys: DIRECTORY,
    tmp: { kind: "directory", owner: userId },
  });
}

/** The program, and koffi's native part beside it where the program uses it. `workers` are bundles of further files, by name, that it starts as threads. */
export function applicationOf(
  bundle: Bundle,
  native: Uint8Array,
  workers: Readonly<Record<string, Bundle>> = {},
): Tree {
  const threads = Object.entries(workers).map(([name, { code }]) => [`app/${name}`, fileOf(code)] as const);
  return treeOf({
    "app/main.js": fileOf(bundle.code),
    "app/package.json": fileOf('{"type":"module"}\n'),
    ...(bundle.usesNative ? { [`app/${NATIVE_FILE}`]: fileOf(native, true) } : {}),
    ...Object.fromEntries(threads),
  });
}
