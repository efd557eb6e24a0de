/** Everything a command takes from outside, so that a test can supply it. */
import type { Clock } from "@lifeline/measure";
import type { LocalNode, LocalNodeOptions } from "@lifeline/prober";

/** Where text goes. */
export interface Output {
  /** Resolves when the text was taken. */
  write(text: string): Promise<void>;
  readonly isTTY: boolean;
  /** Size of the terminal now; undefined where there is none. */
  columns(): number | undefined;
  rows(): number | undefined;
}

/** The host that `check` probes from. */
export interface Host {
  readonly hostname: string;
  /** Opens this host for probing, as the agent does. */
  openNode(options: Pick<LocalNodeOptions, "clock" | "random" | "environment">): LocalNode;
}

/** What showing something takes. */
export interface ScreenWorld {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Aborts at Ctrl-C. */
  readonly interrupt: AbortSignal;
}

/** The outside. */
export interface CliWorld extends ScreenWorld {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly host: Host;
  /** Runs the reflector with its own arguments; resolves with its exit code when it has ended. */
  readonly reflect: (args: readonly string[]) => Promise<number>;
}
