/**
 * Loaded into a program before its own code (`node --import`): shifts its wall clock by the milliseconds in the file
 * that WALL_CLOCK_FILE names. The file is read ten times a second. The program itself is the shipped one.
 */
import { readFileSync } from "node:fs";

const path = process.env["WALL_CLOCK_FILE"];
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
