import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@lifeline/measure";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FILE_CHECK_MS, type FileRead, watchFile } from "./watched-file.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-watched-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function watched() {
  const path = join(directory, "secret");
  const clock = manualClock(0);
  const reported: string[] = [];
  const read = (from: string): FileRead<string> => {
    try {
      const value = readFileSync(from, "utf8");
      return value === "bad" ? { kind: "bad", problem: "want good" } : { kind: "read", value };
    } catch {
      return { kind: "bad", problem: "want a file" };
    }
  };
  // Replaces the file, as a tool that writes whole files does. The new inode number shows the change even when the
  // modification time does not.
  const write = (text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  write("one");
  const file = watchFile({
    path,
    first: "one",
    read,
    clock,
    onReread: (value) => reported.push(`read ${value}`),
    onProblem: (problem) => reported.push(problem),
  });
  const later = () => {
    clock.advance(FILE_CHECK_MS);
    return file.current();
  };
  return { file, write, reported, later, path };
}

describe("a watched file", () => {
  it("is read again after it was replaced, at the next check", () => {
    const { file, write, reported, later } = watched();
    write("two");
    expect(file.current()).toBe("one");
    expect(later()).toBe("two");
    expect(later()).toBe("two");
    expect(reported).toEqual(["read two"]);
  });

  it("keeps the last good value while it is bad or missing, and reports each problem once", () => {
    const { write, reported, later, path } = watched();
    write("bad");
    expect([later(), later()]).toEqual(["one", "one"]);
    rmSync(path);
    expect([later(), later()]).toEqual(["one", "one"]);
    write("three");
    expect(later()).toBe("three");
    expect(reported).toEqual(["want good", "want a file", "read three"]);
  });
});
