/** Gauges of the collector that are read when somebody scrapes. */
import type { ConnectionCounts } from "@lifeline/rpc";
import { Gauge, type Registry } from "prom-client";

interface GaugeSources {
  readonly streams: () => number;
  readonly storePending: () => number;
  readonly deferred: () => number;
  /** When the fleet CA ends, s since the epoch. NaN: there is none. */
  readonly caExpiryS: () => number;
}

/** Adds the gauges to a registry. */
export function exportGauges(registry: Registry, sources: GaugeSources): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `lifeline_collector_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge("streams", "Agents connected.", sources.streams);
  gauge("store_pending_operations", "Operations waiting for the store or under way.", sources.storePending);
  gauge("reports_deferred", "Late reports that wait until the store has caught up.", sources.deferred);
  gauge(
    "ca_expiry_timestamp_seconds",
    "When the certificate of the fleet CA ends; not a number where there is none.",
    sources.caExpiryS,
  );
}

/** Adds the gauge of connections. `counts` is undefined where the listener speaks plaintext. */
export function exportConnections(registry: Registry, counts: () => ConnectionCounts | undefined): void {
  new Gauge({
    name: "lifeline_collector_connections",
    help: "Connections by state: waiting for their handshake, unauthenticated since it began, authenticated.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const now = counts();
      if (now === undefined) return;
      const { all, waiting, unauthenticated } = now;
      this.set({ state: "waiting" }, waiting);
      this.set({ state: "unauthenticated" }, unauthenticated);
      this.set({ state: "authenticated" }, all - waiting - unauthenticated);
    },
  });
}
