/** Certificates under which agent and collector speak, in files: they last longer than any clock is shifted. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFleetCa, makeKeyPair, openFleetCa } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";

/** Ten years. */
const LIFETIME_MS = 3_650 * 24 * 3_600_000;

/** What each program is told of them. */
export interface CredentialFiles {
  readonly collectorArguments: readonly string[];
  readonly agentEnvironment: Readonly<Record<string, string>>;
}

/** Makes an authority, a listener's certificate for 127.0.0.1 and one of the node, in `folder`. */
export async function writeCredentials(folder: string, nodeId: string, clock: Clock): Promise<CredentialFiles> {
  const times = { nowMs: clock.wallMs(), lifetimeMs: LIFETIME_MS };
  const pems = await createFleetCa({ commonName: "crash", ...times, randomBytes });
  const authority = await openFleetCa(pems.certPem, pems.keyPem, randomBytes);
  const write = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const [server, node] = [makeKeyPair(), makeKeyPair()];
  const { publicKeyDer } = server;
  const { pem: serverPem } = await authority.issueServer({ publicKeyDer, names: ["127.0.0.1"], ...times });
  const { pem: nodePem } = await authority.issueNode({ publicKeyDer: node.publicKeyDer, nodeId, ...times });
  const ca = write("authority.pem", pems.certPem);
  const listener = [
    "--tls-cert",
    write("server.pem", serverPem),
    "--tls-key",
    write("server.key", server.privateKeyPem),
  ];
  return {
    collectorArguments: [...listener, "--tls-ca", ca],
    agentEnvironment: {
      LIFELINE_TLS_CA_FILE: ca,
      LIFELINE_TLS_CERT_FILE: write("node.pem", nodePem),
      LIFELINE_TLS_KEY_FILE: write("node.key", node.privateKeyPem),
    },
  };
}
