/** A fault drill: the fault, the expected verdict, and how to clear the fault. */
import type { Cause, ProbeKind } from "@lifeline/measure";
import type { LabNode, TestBed } from "./test-bed.ts";

/** Clears the injected fault. */
export type Clear = () => Promise<void>;

/** One fault. */
export interface FaultDrill {
  /** Kebab-case; stable, for scripts. */
  readonly name: string;
  /** The change to the path or the service, in one line. */
  readonly what: string;
  /** The cause that must be reported, and at which row. */
  readonly expected: { readonly cause: Cause; readonly requirement: string; readonly probe?: ProbeKind };
  /**
   * Causes that the collector may also report, during the fault or of it: a second symptom that is a fault in itself,
   * or what late evidence of the outage adds.
   */
  readonly besides?: readonly Cause[];
  /**
   * `hidden`: only at the test bed's hidden node, which is behind a NAT and has a proxy. Default: at any other node.
   */
  readonly only?: "hidden";
  /**
   * `alone`: the fault is every node's, so no other drill runs meanwhile. Default: beside the drills of other nodes.
   */
  readonly among?: "alone";
  /** Makes the node what it must be before the fault; the result undoes it. Default: as the test bed built it. */
  prepare?(testBed: TestBed, node: LabNode): Promise<Clear>;
  /** How long the fault stays once it has been reported, ms; default 3 s. */
  readonly standMs?: number;
  /**
   * The node must be healthy for a minute first, because the verdict compares with the time before. Default: three
   * seconds.
   */
  readonly settled?: boolean;
  /** The row has no target. The collector keeps incidents of targets alone, so none of this fault is left. */
  readonly untargeted?: boolean;
  /** A hard fault must be seen within 5 s; loss takes as long as its statistics. */
  readonly hard: boolean;
  /** Breaks it for one node, and for no other. */
  inject(testBed: TestBed, node: LabNode): Promise<Clear>;
}
