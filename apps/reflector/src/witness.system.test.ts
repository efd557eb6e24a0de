import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock, systemClock } from "@lifeline/measure";
import {
  addService,
  admitAll,
  channelCredentials,
  createRpcServer,
  listen,
  ServerCredentials,
  shutDown,
} from "@lifeline/rpc";
import { witnessPb } from "@lifeline/wire";
import { pino } from "pino";
import { expect, it } from "vitest";
import { Witness } from "./witness.ts";

/** A command `nft` in place of the host's, first in PATH, that runs `script`. */
function fakeNft(script: string) {
  const folder = mkdtempSync(join(tmpdir(), "lifeline-nft-"));
  const before = process.env["PATH"];
  process.env["PATH"] = `${folder}:${before}`;
  const replace = (text: string) => {
    writeFileSync(join(folder, "nft"), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, "nft"), 0o755);
  };
  replace(script);
  return {
    replace,
    [Symbol.dispose]() {
      process.env["PATH"] = before;
      rmSync(folder, { recursive: true });
    },
  };
}

/** A collector that takes every report. */
async function collector() {
  const requests: witnessPb.WitnessRequest[] = [];
  const server = createRpcServer("local");
  const witness = async (request: witnessPb.WitnessRequest) => {
    requests.push(request);
    return {};
  };
  const onDefect = (_: string, error: unknown) => {
    throw error;
  };
  addService(server, witnessPb.WitnessService, { witness }, onDefect, admitAll);
  const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
  return {
    requests,
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => shutDown(server, 100, (ms, wake) => systemClock.after(ms, wake)),
  };
}

it("the witness reports what nft lists once a second, and nothing while nft fails", async () => {
  const element = { elem: { val: { concat: ["192.0.2.1", 4_711] }, counter: { packets: 9 } } };
  const json = JSON.stringify({ nftables: [{ set: { elem: [element] } }] });
  // `nft -j list set inet lifeline NAME`: the sixth argument is the set.
  using nft = fakeNft(`[ "$6" = received4 ] && echo '${json}' || echo '{}'`);
  await using server = await collector();
  const clock = manualClock(0);
  let rounds = 0;
  const after = (delayMs: number, wake: () => void) => {
    rounds += 1;
    return clock.after(delayMs, wake);
  };
  const nextRound = async () => {
    const over = rounds;
    clock.advance(1_000);
    await expect.poll(() => rounds).toBe(over + 1);
  };
  const lines: string[] = [];
  const witness = new Witness({
    port: 50_180,
    collector: server.address,
    credentials: channelCredentials.createInsecure(),
    clock: { ...clock, after },
    log: pino({}, { write: (line: string) => void lines.push(line) }),
    id: new Uint8Array(16),
  });
  const answered = () => witness.stats().reported + witness.stats().failed;
  await expect.poll(() => rounds).toBe(1);
  // A busy machine may answer after the timeout of a call.
  while (witness.stats().reported === 0) await nextRound();
  const [request] = server.requests;
  expect(request).toMatchObject({ port: 50_180, droppedSources: 0n });
  // Counted in the first round, and not seen to grow since.
  const receivedAgoMs = request?.watchedMs;
  expect(request?.sources).toMatchObject([{ address: "192.0.2.1", port: 4_711, packets: 9n, receivedAgoMs }]);
  await nextRound();
  expect(answered()).toBe(rounds);

  nft.replace("echo 'no such table' >&2; exit 1");
  for (let failed = 0; failed < 3; failed += 1) await nextRound();
  expect(answered()).toBe(rounds - 3);
  // The same warning is logged once a minute.
  const warnings = lines.filter((line) => line.includes("cannot read the sets"));
  expect(warnings.map((line) => JSON.parse(line))).toMatchObject([{ code: "1" }]);
  expect(warnings[0]).toContain("no such table");
  await witness.stop();
});
