import { existsSync } from "node:fs";
import { systemClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { readLines } from "./line-reader.ts";
import { openWorkshop } from "./workshop.ts";

const open = () => openWorkshop(systemClock, () => undefined);
const shell = (script: string) => ({ name: "shell", command: "sh", args: ["-c", script] });

describe("a workshop", () => {
  it("ends its processes, removes its folders, and does so in reverse order", async () => {
    const workshop = open();
    const order: string[] = [];
    workshop.onClose(async () => order.push("first"));
    const folder = await workshop.folder();
    const process = workshop.start(shell("echo up; exec sleep 100"));
    expect(await readLines(systemClock, process).next(5_000)).toBe("up");
    workshop.onClose(async () => order.push("last"));
    await workshop.close();
    await process.ended;
    expect(order).toEqual(["last", "first"]);
    expect(existsSync(folder)).toBe(false);
    expect(existsSync(`/proc/${process.pid}`)).toBe(false);
  });

  it("puts the rest away when one thing will not go", async () => {
    const workshop = open();
    const folder = await workshop.folder();
    workshop.onClose(async () => Promise.reject(new Error("stuck")));
    await workshop.close();
    expect(existsSync(folder)).toBe(false);
  });

  it("starts nothing once it closes", async () => {
    const workshop = open();
    await workshop.close();
    expect(() => workshop.start(shell("exec sleep 100"))).toThrow(expect.objectContaining({ code: "interrupted" }));
    await expect(workshop.folder()).rejects.toMatchObject({ code: "interrupted" });
  });

  it("reports a process that exits unexpectedly, with its output", async () => {
    const workshop = open();
    const process = workshop.start(shell("echo no good >&2; exit 4"));
    await expect(process.failure).rejects.toMatchObject({
      code: "child-failed",
      message: "shell ended (status 4): no good",
    });
    await expect(process.hasSaid("ready")).rejects.toMatchObject({ code: "child-failed" });
    await workshop.close();
  });

  it("tells of a program that is not there", async () => {
    const workshop = open();
    const process = workshop.start({ name: "nothing", command: "/nowhere/nothing", args: [] });
    await expect(readLines(systemClock, process).next(5_000)).rejects.toMatchObject({ code: "child-failed" });
    await workshop.close();
  });
});

describe("a line reader", () => {
  it("gives lines in order, and an error when none comes in time", async () => {
    const workshop = open();
    const process = workshop.start(shell("printf 'one\\ntwo\\n'; exec sleep 100"));
    const lines = readLines(systemClock, process);
    expect([await lines.next(5_000), await lines.next(5_000)]).toEqual(["one", "two"]);
    await expect(lines.next(20)).rejects.toMatchObject({ code: "child-failed", message: "shell: no answer in 20 ms" });
    await workshop.close();
  });
});
