/** A process that spools reports and prints each sequence, until it is killed: `node spool-writer.ts DIRECTORY`. */
import { systemClock } from "@lifeline/measure";
import { openSpool } from "../spool/spool.ts";

const spool = await openSpool({
  directory: process.argv[2] ?? "",
  clock: systemClock,
  bootId: new Uint8Array(16).fill(7),
  onEvent: () => {},
});
for (let sequence = 1; sequence <= 1_000_000; sequence++) {
  await spool.append(Buffer.from(`report ${sequence}`));
  process.stdout.write(`${sequence}\n`);
}
