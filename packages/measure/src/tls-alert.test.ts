import { describe, expect, it } from "vitest";
import { tlsAlertName, tlsAlertNumber } from "./tls-alert.ts";

describe("a TLS alert", () => {
  it.each([
    [40, "handshake_failure"],
    [49, "access_denied"],
    [112, "unrecognized_name"],
    [116, "certificate_required"],
  ])("with the number %i is %s", (number, name) => {
    expect(tlsAlertName(number)).toBe(name);
    expect(tlsAlertNumber(name)).toBe(number);
  });

  it("without a name has none", () => {
    expect(tlsAlertName(255)).toBeUndefined();
    expect(tlsAlertNumber("toString")).toBeUndefined();
  });
});
