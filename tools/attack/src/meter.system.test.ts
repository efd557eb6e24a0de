import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { expect, it } from "vitest";
import { Meter } from "./meter.ts";

/** Works for a while, holds 100 MB meanwhile, and says when it has. */
const PROGRAM = `
const held = Buffer.alloc(100e6, 1);
const end = process.cpuUsage().user + 300e3;
while (process.cpuUsage().user < end);
console.log(held.length);
setInterval(() => {}, 1e6);
`;

it.skipIf(process.platform !== "linux")("a meter sees what a process uses, and adds up its lives", async () => {
  const meter = new Meter();
  const lives = [0, 1].map(() => spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "pipe", "inherit"] }));
  try {
    const [first, second] = lives.map(({ pid }) => pid ?? 0) as [number, number];
    meter.begin(first);
    await Promise.all(lives.map((life) => once(life.stdout, "data")));
    meter.sample(first);
    const { cpuSeconds, peakRssMb } = meter.usage();
    expect(cpuSeconds).toBeGreaterThan(0.25);
    expect(peakRssMb).toBeGreaterThan(100);
    lives[0]?.kill("SIGKILL");
    meter.sample(undefined);
    meter.sample(second);
    expect(meter.usage().cpuSeconds).toBeGreaterThan(cpuSeconds + 0.25);
  } finally {
    for (const life of lives) life.kill("SIGKILL");
  }
});

/** Never waits for anything but a processor. */
const BUSY = "for (;;);";

it.skipIf(!existsSync("/proc/self/schedstat"))("a meter sees how long a process waits for a processor", async () => {
  const others = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn(process.execPath, ["-e", BUSY], { stdio: "ignore" }),
  );
  const life = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const meter = new Meter();
    meter.begin(life.pid ?? 0);
    await once(life.stdout, "data");
    meter.sample(life.pid);
    expect(meter.usage().slowdown).toBeGreaterThan(1.3);
  } finally {
    for (const process of [life, ...others]) process.kill("SIGKILL");
  }
});
