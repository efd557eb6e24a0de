import { manualClock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { Ingest, type IngestParts } from "./ingest.ts";

describe("a stream", () => {
  it("is not opened for a principal that was revoked while it was authenticated", async () => {
    const revoked = new RpcError(RpcStatus.PERMISSION_DENIED, "revoked meanwhile");
    const principal = { kind: "node", nodeId: "n1", keySha256: "", notAfterMs: 0 };
    const access: IngestParts["access"] = {
      mayStill() {
        throw revoked;
      },
    };
    // A refused stream uses no other part of the collector.
    const parts: Partial<IngestParts> = { access, clock: manualClock(0), maxStreams: 1 };
    const ingest = new Ingest(parts as IngestParts);
    const opening = ingest.service.stream((async function* () {})(), async () => {}, { principal } as never);
    await expect(opening).rejects.toBe(revoked);
    expect(ingest.streams.size).toBe(0);
  });
});
