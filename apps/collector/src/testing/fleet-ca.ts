/** A fleet CA and the certificates it signs, for tests. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFleetCa, makeKeyPair, openFleetCa, type Role } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import { type ChannelCredentials, tlsCredentials } from "@lifeline/rpc";

const HOUR_MS = 3_600_000;

/** A certificate with its key. */
export interface Pair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** A CA for one test. */
export async function testFleetCa(commonName = "test") {
  const nowMs = systemClock.wallMs();
  const pems = await createFleetCa({ commonName, nowMs, lifetimeMs: 1_000 * HOUR_MS, randomBytes });
  const ca = await openFleetCa(pems.certPem, pems.keyPem, randomBytes);
  const times = { nowMs, lifetimeMs: HOUR_MS };
  const pair = async (
    issue: (publicKeyDer: Buffer) => Promise<{ readonly pem: string }>,
    keys = makeKeyPair(),
  ): Promise<Pair> => ({ certPem: (await issue(keys.publicKeyDer)).pem, keyPem: keys.privateKeyPem });
  return {
    pems,
    ca,
    node: (nodeId: string, more: Partial<typeof times> = {}, keys = makeKeyPair()) =>
      pair((publicKeyDer) => ca.issueNode({ nodeId, publicKeyDer, ...times, ...more }), keys),
    role: (role: Role) => pair((publicKeyDer) => ca.issueRole({ name: "x", role, publicKeyDer, ...times })),
    /** Files of a listener at 127.0.0.1, in a directory of their own. */
    async listenerFiles(directory: string) {
      const server = await pair((publicKeyDer) => ca.issueServer({ names: ["127.0.0.1"], publicKeyDer, ...times }));
      mkdirSync(directory, { recursive: true });
      const write = (name: string, text: string) => {
        const path = join(directory, name);
        writeFileSync(path, text);
        return path;
      };
      return {
        certFile: write("server.pem", server.certPem),
        keyFile: write("server.key", server.keyPem),
        caFile: write("ca.pem", pems.certPem),
      };
    },
  };
}

/** Client credentials that trust a CA, and show a certificate if there is one. */
export function clientOf(caPem: string, pair?: Pair): ChannelCredentials {
  return tlsCredentials({
    caPem,
    ...(pair === undefined ? {} : { pair: { certPem: Buffer.from(pair.certPem), keyPem: Buffer.from(pair.keyPem) } }),
  });
}
