/** Exit codes. Scripts and schedulers branch on them. */
import { requiredRowsMet } from "@lifeline/verdict";
import type { StatusModel, StatusRow } from "./render/status-row.ts";

/** The exit codes of every command. Different codes keep "Omni is not reachable" apart from "wrong flag". */
export const EXIT = {
  /** Every required row is met, or the command did what was asked. */
  met: 0,
  /** A required row is not met, or no row says that it is (M4). */
  notMet: 1,
  /** Bad usage, file or setting. */
  usage: 2,
  /** The collector cannot be reached or is overloaded. */
  unreachable: 3,
  /** Interrupted before there was a result: 128 + SIGINT (POSIX shells). */
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** 0 when every required row that applies is met, else 1. Without a required row: 1 (M4). */
export function exitCodeOf({ rows }: Pick<StatusModel, "rows">): ExitCode {
  return requiredRowsMet(rows) ? EXIT.met : EXIT.notMet;
}

/** Whether a row keeps the exit code from being 0: required, applicable, and anything but met. */
export function countsAgainst(row: Pick<StatusRow, "required" | "verdict">): boolean {
  return row.required && row.verdict !== "met" && row.verdict !== "not-applicable";
}
