import { describe, expect, it } from "vitest";
import { queriedNames, searchListOf } from "./resolv-conf.ts";

it.each([
  ["nothing", "nameserver 10.0.0.53\n", [], 1],
  ["a search line", "search Corp.Lab. lab\n", ["corp.lab", "lab"], 1],
  ["a domain line", "domain corp.lab ignored\n", ["corp.lab"], 1],
  ["the last of several", "search a.lab\ndomain b.lab\n", ["b.lab"], 1],
  ["the root alone", "search .\n", [], 1],
  ["a comment", "# search a.lab\n; search b.lab\n", [], 1],
  ["options", "search a.lab\noptions timeout:1 ndots:5\n", ["a.lab"], 5],
  ["too many dots", "options ndots:99\n", [], 15],
  ["no number", "options ndots:x\n", [], 1],
])("a resolv.conf with %s gives its search list", (_, text, domains, ndots) => {
  expect(searchListOf(text)).toEqual({ domains, ndots });
});

describe("the names that are queried", () => {
  const search = { domains: ["corp.lab", "lab"], ndots: 1 };
  it.each([
    ["omni", search, ["omni.corp.lab", "omni.lab", "omni"]],
    ["omni.eu", search, ["omni.eu", "omni.eu.corp.lab", "omni.eu.lab"]],
    ["omni.eu", { ...search, ndots: 2 }, ["omni.eu.corp.lab", "omni.eu.lab", "omni.eu"]],
    ["omni.", search, ["omni"]],
    ["omni.eu.", { ...search, ndots: 5 }, ["omni.eu"]],
    ["omni", { ...search, ndots: 0 }, ["omni", "omni.corp.lab", "omni.lab"]],
    ["omni", { domains: [], ndots: 1 }, ["omni"]],
  ])("for %s are those of Go's resolver", (name, list, names) => expect(queriedNames(name, list)).toEqual(names));
});
