import { createServer } from "node:net";
import { systemClock } from "@lifeline/measure";
import { createRpcServer, shutDown } from "@lifeline/rpc";
import { ConfigError } from "@lifeline/settings";
import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import type { Config } from "../config/config.ts";
import { createSelfMetrics } from "../export/self-metrics.ts";
import { testFleetCa } from "../testing/fleet-ca.ts";
import { openListener } from "./grpc-listener.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Opens a listener at a port, with a key that is not the certificate's if one is given. */
async function open(port: number, keyPem?: string) {
  const { ca, role } = await testFleetCa();
  const first = { ...(await role("admin")), clientCaPem: ca.certPem };
  const server = createRpcServer();
  closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)));
  const config = { listen: { host: "127.0.0.1", port }, maxStreams: 1 } as Config;
  const certificates = { first: keyPem === undefined ? first : { ...first, keyPem }, follow() {} };
  const world = {
    clock: systemClock,
    log: pino({ level: "silent" }),
    selfMetrics: createSelfMetrics(),
  };
  const listener = await openListener({ authenticated: server, unauthenticated: server }, config, certificates, world);
  closers.push(() => listener.close());
}

it("reports a port that is taken, and bad certificates as themselves", async () => {
  const other = createServer();
  await new Promise<void>((settle) => other.listen(0, "127.0.0.1", settle));
  closers.push(() => other.close());
  const bound = other.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  await expect(open(port)).rejects.toThrow(ConfigError);
  await expect(open(port)).rejects.toThrow(/^listen: got "127.0.0.1:\d+", want a free port/);
  await expect(open(0, (await (await testFleetCa()).role("admin")).keyPem)).rejects.toMatchObject({
    code: "ERR_OSSL_X509_KEY_VALUES_MISMATCH",
  });
});
