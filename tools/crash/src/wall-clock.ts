/**
 * Loaded into a program before its own code (`node --import`): shifts its wall clock by the milliseconds that stand in the file which
 * CRASH_CLOCK names, read anew ten times a second. The program itself is as it is shipped.
 */
import { readFileSync } from "node:fs";

const path = process.env["CRASH_CLOCK"];
if (path !== undefined) {
  const realNow = Date.now.bind(Date);
  let shiftMs = 0;
  const read = () => {
    try {
      shiftMs = Number(readFileSync(path, "utf8")) || 0;
    } catch {
      // Not written yet: no shift.
    }
  };
  read();
  setInterval(read, 100).unref();
  Date.now = () => realNow() + shiftMs;
}
