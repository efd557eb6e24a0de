import { listCatalogues, loadCatalogue } from "@lifeline/catalogue";
import { describe, expect, it } from "vitest";
import { runHere } from "./testing/run-cli.ts";

const newest = listCatalogues().at(-1) ?? "";

describe("lifeline catalogue", () => {
  it("lists the rows of the newest version, and which versions there are", async () => {
    const { out, exitCode } = await runHere(["catalogue", "list"]);
    const { requirements } = loadCatalogue();
    expect(
      out
        .split("\n")
        .slice(1, requirements.length + 1)
        .map((line) => line.split(" ")[0]),
    ).toEqual(requirements.map(({ id }) => id));
    expect(out).toContain(`bundled versions: ${listCatalogues().join(", ")}`);
    expect(exitCode).toBe(0);
  });

  it("lists another version, narrowed by a pattern", async () => {
    const { out } = await runHere(["catalogue", "list", "--release", "v1.13", "--only", "siderolink-*", "--json"]);
    const { version, requirements } = JSON.parse(out);
    expect(version).toBe("v1.13");
    expect(requirements.map(({ id }: { id: string }) => id)).toEqual([
      "siderolink-endpoint",
      "siderolink-internal-address",
      "siderolink-interface",
    ]);
  });

  it("shows a row whole: published beside effective, evidence and source (C1)", async () => {
    const { out } = await runHere(["catalogue", "show", "siderolink-endpoint"], {
      terminal: { columns: 100, rows: 50 },
    });
    const fields = new Set(out.split("\n").map((line) => line.slice(0, 12).trim()));
    for (const field of ["id", "purpose", "obligation", "from", "condition", "published", "effective", "difference"]) {
      expect(fields).toContain(field);
    }
    for (const field of ["evidence", "erratum", "place", "probe", "source"]) expect(fields).toContain(field);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    const { out: json } = await runHere(["catalogue", "show", "siderolink-endpoint", "--json"]);
    expect(JSON.parse(json)).toMatchObject({ id: "siderolink-endpoint", published: { port: 51820 }, port: 50180 });
  });

  it("shows what changed between two versions, and nothing between a version and itself", async () => {
    const { out, exitCode } = await runHere(["catalogue", "diff", "v1.13", "v1.14", "--json"]);
    const { from, to, added } = JSON.parse(out);
    expect([from, to, exitCode]).toEqual(["v1.13", "v1.14", 0]);
    expect(added.map(({ id }: { id: string }) => id)).toContain("node-time-security");
    const same = await runHere(["catalogue", "diff", newest, newest]);
    expect(same.out).toBe(`\
No difference between ${newest} and ${newest}.

0 added, 0 removed, 0 fields changed from ${newest} to ${newest}
`);
  });
});
