import { manualClock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { describe, expect, it } from "vitest";
import { createIngest, type IngestParts } from "./ingest.ts";

describe("a stream", () => {
  it("is not opened for a principal that was revoked while it was decided who it is", async () => {
    const revoked = new RpcError(RpcStatus.PERMISSION_DENIED, "revoked meanwhile");
    const principal = { kind: "node", nodeId: "n1", keySha256: "", notAfterMs: 0 };
    const access: IngestParts["access"] = {
      mayStill() {
        throw revoked;
      },
    };
    // Nothing else is asked of the collector for one that is refused.
    const parts: Partial<IngestParts> = { access, clock: manualClock(0), maxStreams: 1 };
    const ingest = createIngest(parts as IngestParts);
    const opening = ingest.service.stream((async function* () {})(), async () => {}, { principal } as never);
    await expect(opening).rejects.toBe(revoked);
    expect(ingest.streams()).toBe(0);
  });
});
