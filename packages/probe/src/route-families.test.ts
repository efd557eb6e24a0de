import { describe, expect, it } from "vitest";
import { routeFamilies, usableFamilies } from "./route-families.ts";

const HEAD4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const default4 = `${HEAD4}eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`;
const link4 = `${HEAD4}eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`;
const reject4 = `${HEAD4}*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n`;
const zero = "0".repeat(32);
const default6 = `${zero} 00 ${zero} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n`;
const reject6 = `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo\n`;
const own = (...addresses: string[]) =>
  addresses.map((address) => ({ address, family: address.includes(":") ? ("IPv6" as const) : ("IPv4" as const) }));
const lo = own("127.0.0.1", "::1");

describe("the families of a host", () => {
  it.each([
    ["both have a default route", { route4: default4, route6: default6, interfaces: { lo } }, [4, 6]],
    ["only IPv4 has one", { route4: default4, route6: reject6, interfaces: { lo, eth0: own("2001:db8::1") } }, [4]],
    ["only IPv6 has one", { route4: link4, route6: default6, interfaces: { lo } }, [6]],
    ["a default route only rejects", { route4: reject4, route6: default6, interfaces: { lo } }, [6]],
    [
      "none has one, and one has an address beyond the link",
      { route4: link4, route6: reject6, interfaces: { lo, eth0: own("192.0.2.2", "fe80::1") } },
      [4],
    ],
    [
      "only the tunnel has IPv6",
      {
        route4: link4,
        route6: "",
        interfaces: { lo, eth0: own("192.0.2.2"), siderolink: own("fdae:41e4:649b:9303::2") },
      },
      [4],
    ],
    ["there is loopback alone", { route4: HEAD4, route6: "", interfaces: { lo } }, [4, 6]],
    ["there is no interface", { route4: "", route6: "", interfaces: {} }, []],
    ["the tables cannot be parsed", { route4: "x\ny z", route6: "\0", interfaces: { eth0: own("192.0.2.2") } }, [4]],
  ] as const)("when %s", (_, facts, families) => {
    expect(usableFamilies(facts)).toEqual(families);
  });

  it("are found also where there are no tables", () => {
    expect(routeFamilies({ route4: "/nonexistent", route6: "/nonexistent" }).length).toBeGreaterThan(0);
  });
});
