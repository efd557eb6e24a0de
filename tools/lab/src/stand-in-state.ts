/** The interface of a running stand-in, and its reported state. */
import type { LAB_LABEL } from "./api-endpoint.ts";
import type { Fault, FaultScope, ListenerName } from "./listener-fault.ts";

/** Where one listener is to be found. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** One listener as its state is shown. */
export interface ListenerState extends Endpoint {
  readonly name: ListenerName;
  readonly protocol: "https" | "grpcs" | "stamp";
  readonly fault: Fault;
}

/** The reported state of a stand-in: everything its starter needs, and no secret. */
export interface StandInState {
  readonly label: typeof LAB_LABEL;
  readonly pid: number;
  readonly listeners: readonly ListenerState[];
  /** The CA that the TLS listeners' certificates end at; public part only. */
  readonly caPem: string;
}

/** A running stand-in. */
export interface StandIn {
  readonly api: Endpoint;
  readonly machineApi: Endpoint;
  readonly siderolink: Endpoint;
  readonly caPem: string;
  state(): StandInState;
  /**
   * Resolves when the fault is in force. Throws {@link LabError} `fault-unavailable`, `listen-failed`, `busy` or
   * `closed`.
   */
  fault(listener: FaultScope, fault: Fault): Promise<void>;
  /** Closes every listener and connection. Idempotent. */
  close(): Promise<void>;
}
