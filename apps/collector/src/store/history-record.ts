/**
 * What the store keeps and answers of the past: windows of ten seconds in reports, and roll-ups by the minute and hour.
 */

/** The steps of history, s: the windows of reports, and their roll-ups by minute and hour. */
export const HISTORY_STEPS_S = [10, 60, 3_600] as const;
export type HistoryStepS = (typeof HISTORY_STEPS_S)[number];

/** What one step of rolling up did. */
export interface RolledUp {
  /** Reports whose windows are in the roll-ups now; 0: none was due. */
  readonly reports: number;
  /**
   * Reports and roll-ups that could not be decoded: the former are left out for good, the latter replaced by what this
   * step brought.
   */
  readonly undecodable: number;
  /**
   * Roll-ups whose counts would exceed what a window can hold (uint32): left as they were, without what this step
   * brought.
   */
  readonly overflows: number;
  /** Reports that still wait. */
  readonly pending: number;
}

/** What is kept of a node's past. */
export interface HistoryExtent {
  readonly targetIds: readonly string[];
  /** Where it may begin, to the hour; undefined: nothing is kept. */
  readonly firstMs: number | undefined;
}

/** A time range of a node's past. Times are the node's own, multiples of the step; `fromMs` inclusive, `toMs` not. */
export interface HistoryQuery {
  readonly nodeId: string;
  readonly targetIds: readonly string[];
  readonly stepS: HistoryStepS;
  readonly fromMs: number;
  readonly toMs: number;
  /** Longest range of one answer, counted from the first window that is kept. */
  readonly spanMs: number;
  /** Most reports to decode for one answer. */
  readonly reportsMax: number;
}

/**
 * What the history of a range is made of: each window is either in a roll-up or in one of the reports, never in both.
 */
export type HistoryRows =
  | { readonly kind: "no-node" }
  /** More reports of the node wait for their roll-up than one answer can look through. */
  | { readonly kind: "pending"; readonly reports: number }
  /** A single step lies in more reports than one answer can decode. */
  | { readonly kind: "too-dense"; readonly startMs: number }
  | {
      readonly kind: "found";
      readonly rollups: readonly {
        readonly targetId: string;
        readonly startMs: number;
        readonly payload: Uint8Array;
      }[];
      /** Windows that began within the range, by report and their positions in it. */
      readonly reports: ReadonlyMap<number, readonly number[]>;
      /** Where the first step that is left out begins; undefined: none is. */
      readonly cutMs: number | undefined;
    };
