/** What the collector uses while an attack lasts, as Linux tells it (proc_pid_stat(5), proc_pid_status(5)). */
import { readFileSync, writeFileSync } from "node:fs";
import { parseSchedstat, type Schedstat } from "@lifeline/harness";

/** Resource use of all collector processes since {@link Meter.begin}. */
export interface Usage {
  /** User and system time, all threads. */
  readonly cpuSeconds: number;
  /** Largest resident set; MB are 10^6 bytes. */
  readonly peakRssMb: number;
  /**
   * How many times as long as on a processor of its own its main thread took: 1 when it never had to wait for one. Of
   * its last life. 1 where Linux does not count the waits.
   */
  readonly slowdown: number;
}

/** Clock ticks a second in /proc (sysconf(3), _SC_CLK_TCK): 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;
const BYTES_PER_KB = 1_024;
const BYTES_PER_MB = 1e6;

/** Measures one program across its restarts. */
export class Meter {
  #pid: number | undefined;
  #cpuAtBegin = 0;
  #cpuOfLife = 0;
  #cpuBefore = 0;
  #peakRssMb = 0;
  #turnsAtBegin = NO_TURNS;
  #turns = NO_TURNS;

  /** Counts from now. */
  begin(pid: number): void {
    this.#pid = pid;
    this.#cpuAtBegin = this.#cpuOfLife = cpuSecondsOf(pid) ?? 0;
    this.#cpuBefore = 0;
    this.#peakRssMb = 0;
    this.#turnsAtBegin = this.#turns = turnsOf(pid) ?? NO_TURNS;
    try {
      // Resets the peak (proc_pid_clear_refs(5)). Where it may not be written the peak is that of the process's whole
      // life.
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {}
    this.sample(pid);
  }

  /** Reads the process again; a new pid means a restart. The last reading of a process that has ended is kept. */
  sample(pid: number | undefined): void {
    if (pid === undefined) return;
    if (pid !== this.#pid) {
      this.#cpuBefore += this.#cpuOfLife - this.#cpuAtBegin;
      this.#pid = pid;
      this.#cpuAtBegin = this.#cpuOfLife = 0;
      this.#turnsAtBegin = this.#turns = NO_TURNS;
    }
    this.#cpuOfLife = cpuSecondsOf(pid) ?? this.#cpuOfLife;
    this.#peakRssMb = Math.max(this.#peakRssMb, peakRssMbOf(pid) ?? 0);
    this.#turns = turnsOf(pid) ?? this.#turns;
  }

  usage(): Usage {
    const ranNs = this.#turns.ranNs - this.#turnsAtBegin.ranNs;
    const waitedNs = this.#turns.waitedNs - this.#turnsAtBegin.waitedNs;
    return {
      cpuSeconds: this.#cpuBefore + this.#cpuOfLife - this.#cpuAtBegin,
      peakRssMb: this.#peakRssMb,
      slowdown: ranNs === 0 ? 1 : 1 + waitedNs / ranNs,
    };
  }
}

const NO_TURNS: Schedstat = { ranNs: 0, waitedNs: 0 };

/**
 * Of the main thread (Linux, Documentation/scheduler/sched-stats.rst). Undefined when the process is gone, or on a
 * kernel without the file.
 */
function turnsOf(pid: number): Schedstat | undefined {
  const text = read(`/proc/${pid}/schedstat`);
  return text === undefined ? undefined : parseSchedstat(text);
}

/** Undefined when the process is gone. */
function cpuSecondsOf(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in brackets may hold spaces; user and system time are the 14th and 15th field.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** Largest resident set since the process began or {@link Meter.begin}; undefined when the process is gone. */
export function peakRssMbOf(pid: number): number | undefined {
  const kb = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kb === undefined ? undefined : (Number(kb) * BYTES_PER_KB) / BYTES_PER_MB;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
