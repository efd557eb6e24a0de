import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createAuthority, makeKeyPair, openAuthority } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import koffi from "koffi";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mendPeerCertificates, shownCertificate } from "./shown-certificate.ts";

const times = { nowMs: systemClock.wallMs(), lifetimeMs: 3_600_000 };

const CONNECTIONS = 400;
/** What Node loses of so many is 1.8 MB. */
const GROWN_MAX_MB = 0.6;

/** `struct mallinfo2` (mallinfo(3), glibc 2.33). */
const MALLINFO = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split(" ");

const collectGarbage = (() => {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
})();

interface Shown {
  readonly subject: string | undefined;
  readonly isBelieved: boolean;
  readonly isNodesOwn: boolean;
}

let server: Server;
let port = 0;
let ca = "";
let pair = { cert: "", key: "" };
const seen: Shown[] = [];

beforeAll(async () => {
  mendPeerCertificates();
  const pems = await createAuthority({ commonName: "fleet", ...times, randomBytes });
  const fleet = await openAuthority(pems.certPem, pems.keyPem, randomBytes);
  const [own, node] = [makeKeyPair(), makeKeyPair()];
  const { pem } = await fleet.issueServer({ publicKeyDer: own.publicKeyDer, names: ["localhost"], ...times });
  const issued = await fleet.issueNode({ nodeId: "n1", publicKeyDer: node.publicKeyDer, ...times });
  ca = fleet.certPem;
  pair = { cert: issued.pem, key: node.privateKeyPem };
  server = createServer({ cert: pem, key: own.privateKeyPem, ca, requestCert: true, rejectUnauthorized: false });
  server.on("secureConnection", (socket) => {
    const shown = shownCertificate(socket);
    const isNodesOwn = socket.getPeerX509Certificate()?.fingerprint256 === shown?.fingerprint256;
    seen.push({ subject: shown?.subject, isBelieved: socket.authorized, isNodesOwn });
    socket.on("error", () => {}).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => server.close());

async function visit(shown: Partial<typeof pair>): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ...shown });
  socket.on("error", () => {}).resume();
  await once(socket, "close");
}

it("is the one that was shown, by our call and by Node's, and none where none was", async () => {
  await visit(pair);
  await visit({});
  expect(seen.splice(0)).toEqual([
    { subject: "CN=n1", isBelieved: true, isNodesOwn: true },
    { subject: undefined, isBelieved: false, isNodesOwn: true },
  ]);
});

// What the C library has given out: resident memory tells nothing of what is lost within pages that are there.
it.runIf(process.platform === "linux")("costs no memory once its connection is gone", async () => {
  const struct = koffi.struct(Object.fromEntries(MALLINFO.map((name) => [name, "size_t"])));
  const mallinfo = koffi.load(null).func("mallinfo2", struct, []) as () => Readonly<Record<string, unknown>>;
  const usedMbAfter = async (visits: number) => {
    for (let at = 0; at < visits; at += 1) await visit(pair);
    for (let round = 0; round < 3; round += 1) {
      collectGarbage();
      await new Promise((settle) => setImmediate(settle));
    }
    return Number(mallinfo()["uordblks"]) / 1e6;
  };
  const before = await usedMbAfter(CONNECTIONS / 2);
  const grownMb = (await usedMbAfter(CONNECTIONS)) - before;
  expect(seen.every(({ isBelieved }) => isBelieved)).toBe(true);
  expect(grownMb).toBeLessThan(GROWN_MAX_MB);
});
