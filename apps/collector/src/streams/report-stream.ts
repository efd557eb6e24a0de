/** The types of one stream of reports. */
import type { Respond, ServiceImplementation } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import type { StreamPrincipal } from "../identity/access.ts";

/** The report service, with the principal that a stream was admitted for. */
export type ReportService = ServiceImplementation<typeof reportPb.ReportService, StreamPrincipal>;

/** What an agent sends, message by message. */
export type Requests = Parameters<ReportService["stream"]>[0];

/**
 * Sends one message to the agent; resolves when the transport has room for another. Rejects when the call has ended.
 */
export type Send = Respond<Parameters<Parameters<ReportService["stream"]>[1]>[0]>;
