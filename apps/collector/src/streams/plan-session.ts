/** The live stream of a node: it takes the place of the one before, and sends plans. */
import type { RpcError } from "@lifeline/rpc";
import { type Plan, planToWire } from "@lifeline/wire";
import type { Session } from "../fleet/node.ts";
import type { Send } from "./report-stream.ts";

/**
 * Plans replace each other. While one is on its way the newest waits, so that an agent that does not read costs no more
 * (S2).
 */
export class PlanSession implements Session {
  readonly #send: Send;
  readonly #end: (error: RpcError) => void;
  #offeredRevision: string;
  #newest: Plan | undefined;
  #isSending = false;

  /** `heldRevision`: of the plan that the agent has; empty: none. `end` ends the stream. */
  constructor(heldRevision: string, send: Send, end: (error: RpcError) => void) {
    this.#offeredRevision = heldRevision;
    this.#send = send;
    this.#end = end;
  }

  offerPlan(plan: Plan): void {
    if (plan.revision === this.#offeredRevision) return;
    this.#offeredRevision = plan.revision;
    this.#newest = plan;
    // A stream that ends meanwhile needs no plan; the next one offers it.
    if (!this.#isSending) this.#sendNewest().catch(() => {});
  }

  end(error: RpcError): void {
    this.#end(error);
  }

  async #sendNewest(): Promise<void> {
    this.#isSending = true;
    for (let plan = this.#newest; plan !== undefined; plan = this.#newest) {
      this.#newest = undefined;
      await this.#send({ message: { case: "plan", value: planToWire(plan) } });
    }
    this.#isSending = false;
  }
}
