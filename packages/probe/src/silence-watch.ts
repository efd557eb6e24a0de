/**
 * What becomes of an attempt that is silent at its loss threshold. Its owner decides whether it is watched for a late
 * answer, and can end the watch.
 */

/** The owner of an attempt, as the attempt sees it. */
export interface SilenceWatch {
  /**
   * Called when the threshold is over without an answer; again if an exchange went on and fell silent. True: watch for
   * a late answer. False: the attempt ends now.
   */
  silent(silence: Silence): boolean;
  /** Called when something answered after all, and the exchange goes on. */
  heard(): void;
}

/** A silent attempt. */
export interface Silence {
  /** The address that is silent. */
  readonly address: string;
  /** Ends the watch: the attempt ends as lost. Idempotent. */
  readonly giveUp: () => void;
}

/** An attempt ends at its threshold. */
export const NO_WATCH: SilenceWatch = { silent: () => false, heard() {} };
