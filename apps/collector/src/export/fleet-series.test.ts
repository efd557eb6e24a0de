import { deploymentFrom, loadCatalogue } from "@lifeline/catalogue";
import { expect, it } from "vitest";
import { UNCONTESTED } from "../fleet/address-owners.ts";
import { Fleet } from "../fleet/fleet.ts";
import { fleetSeries } from "./fleet-series.ts";

it("shows text of others as visible text, in the escapes of the format", () => {
  const requirements = {
    catalogue: loadCatalogue(),
    deployment: deploymentFrom({ api: "https://omni.test", siderolink: [] }),
  };
  const fleet = new Fleet(requirements, { onOverflow() {} });
  const counts = { reports: 0, refused: 0, witnesses: 0, sources: 0, contested: UNCONTESTED, lastReportMs: undefined };
  const info = { collectorVersion: "1", catalogueVersion: "v1", deployment: 'a"b\\c\nd\u202e\u200b{e="f"}' };
  const series = [...fleetSeries(fleet, { counts: () => counts }, info, 0)].join("");
  expect(series).toContain(String.raw`deployment="a\"b\\c\\u{A}d\\u{202E}\\u{200B}{e=\"f\"}"} 1`);
});
