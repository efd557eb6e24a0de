/** What the collector takes from outside, apart from its configuration. */
import type { Clock } from "@lifeline/measure";
import type { Logger } from "pino";

/** Clock, log and environment are passed in (M2). */
export interface World {
  readonly clock: Clock;
  readonly log: Logger;
  /** The store's thread ended unasked: the process must end with a failure. */
  readonly onStoreCrash: (error: Error) => void;
  /** Default: empty. Tokens may stand in it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Bytes in the store that a node may bring in at once. Default BYTES_CAPACITY. */
  readonly quotaBytes?: number;
}
