/**
 * The root of a container that runs one bundled program on Node: the program, and the files and directories that a
 * runtime mounts over.
 */
import { type Bundle, NATIVE_FILE } from "@lifeline/bundle";
import { DIRECTORY, fileOf, type Tree, treeOf } from "./tree.ts";

/** The program's file. */
export const APPLICATION = "/app/main.js";

/** uid and gid of programs that need no root: the number of distroless images. */
export const USER_ID = 65_532;

const PASSWD = `root:x:0:0:root:/run:/sbin/nologin
lifeline:x:${USER_ID}:${USER_ID}:Lifeline:/run:/sbin/nologin
`;
const GROUP = `root:x:0:
lifeline:x:${USER_ID}:
`;
/** Since glibc 2.34 `files` and `dns` are part of libc, so no module must be loaded. */
const NSSWITCH = `passwd: files
group: files
hosts: files dns
`;

/**
 * Users, the order of resolvers, and what a runtime mounts over: it can add nothing to a read-only root. /tmp belongs
 * to `userId`.
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

/**
 * The program, and koffi's native part if the program uses it. `workers`: bundles that it starts as threads, by file
 * name.
 */
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
