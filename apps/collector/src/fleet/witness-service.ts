/** Takes the reports of witnesses. */
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus, type RpcStatusCode, type ServiceImplementation } from "@lifeline/rpc";
import type { witnessPb } from "@lifeline/wire";
import { readWitnessReport, witnessProblem } from "./witness-report.ts";
import { MAX_WITNESSES, type Witnesses, type WitnessTotals } from "./witnesses.ts";

/** What became of the reports, and what the latest add up to. */
export interface WitnessCounts extends WitnessTotals {
  readonly reports: number;
  readonly refused: number;
}

interface WitnessServiceParts {
  readonly clock: Pick<Clock, "wallMs">;
  readonly witnesses: Pick<Witnesses, "add" | "reportOf" | "totals">;
  /** A report was taken. */
  readonly onReport: () => void;
}

export class WitnessReceiver {
  readonly #parts: WitnessServiceParts;
  #reports = 0;
  #refused = 0;

  constructor(parts: WitnessServiceParts) {
    this.#parts = parts;
  }

  get service(): ServiceImplementation<typeof witnessPb.WitnessService> {
    return { witness: async (request) => this.#take(request) };
  }

  counts(): WitnessCounts {
    return { reports: this.#reports, refused: this.#refused, ...this.#parts.witnesses.totals() };
  }

  #take(request: witnessPb.WitnessRequest): Record<string, never> {
    const { clock, witnesses, onReport } = this.#parts;
    const problem = witnessProblem(request);
    if (problem !== undefined) this.#refuse(RpcStatus.INVALID_ARGUMENT, problem);
    const id = Buffer.from(request.witnessId).toString("hex");
    if (!witnesses.add(id, readWitnessReport(request, clock.wallMs(), witnesses.reportOf(id)))) {
      this.#refuse(RpcStatus.RESOURCE_EXHAUSTED, `witness: got one more, want at most ${MAX_WITNESSES}`);
    }
    this.#reports += 1;
    onReport();
    return {};
  }

  #refuse(status: RpcStatusCode, message: string): never {
    this.#refused += 1;
    throw new RpcError(status, message);
  }
}
