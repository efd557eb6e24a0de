/** What everybody in a soak proves themselves with: the collector's own authority signs it, and tokens stand in a file. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeKeyPair, openFleetCa } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, tlsCredentials } from "@lifeline/rpc";
import { adminPb } from "@lifeline/wire";

/** A day: no simulated node renews. */
const LIFETIME_MS = 24 * 3_600_000;

/** Tokens of people, in the collector's file. */
export interface AccessTokens {
  readonly path: string;
  readonly reader: string;
  readonly admin: string;
}

/** Writes the file of access tokens. */
export function writeTokens(folder: string): AccessTokens {
  const [reader, admin] = [0, 1].map(() => randomBytes(32).toString("base64url")) as [string, string];
  const path = join(folder, "tokens");
  writeFileSync(path, `soak reader ${reader}\nsoak admin ${admin}\n`, { mode: 0o600 });
  return { path, reader, admin };
}

/** What clients are given. */
export interface SoakCredentials {
  /** For whoever has a token. */
  readonly verified: ChannelCredentials;
  readonly readerToken: string;
  /** A node's own: the same key whenever it comes. */
  node(nodeId: string): Promise<ChannelCredentials>;
  /** Files for the measured agent, which enrols by itself. */
  readonly enrol: { readonly caFingerprint: string; readonly tokenFile: string };
}

/** Opens the credentials of a collector that serves. */
export async function openCredentials(
  folder: string,
  dataDir: string,
  grpcPort: number,
  tokens: AccessTokens,
  clock: Clock,
): Promise<SoakCredentials> {
  const read = (name: string) => readFileSync(join(dataDir, "identity", name), "utf8");
  const authority = await openFleetCa(read("authority.pem"), read("authority.key"), randomBytes);
  const caPem = authority.certPem;
  const verified = tlsCredentials({ caPem });
  const client = createRpcClient(adminPb.AdminService, `127.0.0.1:${grpcPort}`, verified);
  const { joinToken } = await client.unary("createJoinToken", {}, { timeoutMs: 5_000, bearerToken: tokens.admin });
  client.close();
  const tokenFile = join(folder, "join-token");
  writeFileSync(tokenFile, joinToken, { mode: 0o600 });
  const known = new Map<string, Promise<ChannelCredentials>>();
  const make = async (nodeId: string) => {
    const { publicKeyDer, privateKeyPem } = makeKeyPair();
    const times = { nowMs: clock.wallMs(), lifetimeMs: LIFETIME_MS };
    const { pem } = await authority.issueNode({ nodeId, publicKeyDer, ...times });
    return tlsCredentials({ caPem, pair: { certPem: Buffer.from(pem), keyPem: Buffer.from(privateKeyPem) } });
  };
  return {
    verified,
    readerToken: tokens.reader,
    enrol: { caFingerprint: authority.fingerprint, tokenFile },
    node(nodeId) {
      const credentials = known.get(nodeId) ?? make(nodeId);
      known.set(nodeId, credentials);
      return credentials;
    },
  };
}
