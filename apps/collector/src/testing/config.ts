/** The configuration of a collector in a directory, for tests. */
import { join } from "node:path";
import type { Config } from "../config/config.ts";

/**
 * Any free ports of loopback, plaintext; deployment and catalogue are the directory's `deployment.yaml` and
 * `catalogue.yaml`.
 */
export function testConfig(directory: string, more: Partial<Config> = {}): Config {
  return {
    listen: { host: "127.0.0.1", port: 0 },
    httpListen: { host: "127.0.0.1", port: 0 },
    httpNames: [],
    dataDir: join(directory, "data"),
    deployment: join(directory, "deployment.yaml"),
    catalogue: join(directory, "catalogue.yaml"),
    catalogueExtras: [],
    tls: undefined,
    handshakeMaxBytes: 12_288,
    identity: undefined,
    accessTokensFile: undefined,
    allowPlaintext: false,
    retentionDays: 30,
    minuteRetentionDays: 90,
    hourRetentionDays: 400,
    maxStreams: 8,
    readyFile: undefined,
    ...more,
  };
}
