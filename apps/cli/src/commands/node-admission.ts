/** `lifeline node revoke ID` and `lifeline node readmit ID`. */
import { visibleText } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import { type adminPb, isNodeId, NODE_ID_WANTED } from "@lifeline/wire";
import type { Command } from "commander";
import { closest } from "../arguments/requirement-pattern.ts";
import { CliError } from "../cli-error.ts";
import { type AdminClient, CALL_TIMEOUT_MS } from "../collector/collector-client.ts";
import { fetchEnrolments } from "../collector/fetch.ts";
import { EXIT } from "../exit-code.ts";
import { codeSpan } from "../render/markdown.ts";
import { recordsView, type View } from "../render/view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";
import { ENROLMENT_FIELDS, enrolmentFacts } from "./enrolments.ts";

/** Adds both to `lifeline node`. */
export function addNodeAdmission(node: Command, session: Session): void {
  addRevoke(node, session);
  addReadmit(node, session);
}

function addRevoke(node: Command, session: Session): void {
  const revoke = node
    .command("revoke")
    .argument("<id>", "the node's id, as 'lifeline enrolments' shows it")
    .description("revoke a node's certificates and end its streams at once; the id cannot enrol until it is readmitted")
    .action((id: string) =>
      session.showAdmin(async (client, signal) => {
        const request = { nodeId: checkedId(id) };
        const call = client.unary("revokeNode", request, { timeoutMs: CALL_TIMEOUT_MS, signal });
        return revokedView(id, await namingClosest(call, id, client, signal));
      }),
    );
  withTraits(revoke, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS],
    examples: [
      ["lifeline node revoke worker-1", "its key is lost, stolen, or held by another machine"],
      ["lifeline node revoke worker-1 --json", "for a script"],
    ],
  });
}

function addReadmit(node: Command, session: Session): void {
  const readmit = node
    .command("readmit")
    .argument("<id>", "the id of a node that was revoked or reinstalled")
    .description("allow a node id to enrol with one new key; revoked keys stay refused")
    .action((id: string) =>
      session.showAdmin(async (client, signal) => {
        const request = { nodeId: checkedId(id) };
        const call = client.unary("readmitNode", request, { timeoutMs: CALL_TIMEOUT_MS, signal });
        return readmittedView(id, await namingClosest(call, id, client, signal));
      }),
    );
  withTraits(readmit, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS],
    examples: [
      ["lifeline node readmit worker-1", "after it was reinstalled"],
      ["lifeline node readmit worker-1 --json", "for a script"],
    ],
  });
}

function checkedId(id: string): string {
  if (isNodeId(id)) return id;
  throw new CliError("usage", `<id>: got '${id}', want ${NODE_ID_WANTED}`);
}

/** The answer; for a node that is not enrolled, the ids that were probably meant. */
async function namingClosest<Answer>(
  call: Promise<Answer>,
  id: string,
  client: AdminClient,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== RpcStatus.NOT_FOUND) throw error;
    const { enrolments } = await fetchEnrolments(client, undefined, signal);
    const close = closest(
      id,
      enrolments.map(({ nodeId }) => nodeId),
    );
    const hint = close.length === 0 ? "it has enrolled none yet" : `the closest: ${close.join(", ")}`;
    throw new CliError("not-found", `the collector has enrolled no node '${id}'; ${hint}`);
  }
}

function revokedView(id: string, { enrolment, endedStreams }: adminPb.RevokeNodeResponse): View {
  const streams = endedStreams === 1 ? "1 stream" : `${endedStreams} streams`;
  // An unknown id can be revoked too, and it may be a typing mistake.
  const unknown = enrolment?.keySha256 === "" ? [`The collector knows no certificate of ${id}: check the id.`] : [];
  return admissionView(enrolment, { endedStreams }, [
    `${id} is revoked: the collector ended ${streams}, and refuses all its certificates.`,
    ...unknown,
    `next: stop its agent. To allow the id again, with a new key: lifeline node readmit ${id}`,
  ]);
}

function readmittedView(id: string, { enrolment }: adminPb.ReadmitNodeResponse): View {
  return admissionView(enrolment, {}, [
    `${id} may enrol again with one new key; revoked keys stay refused.`,
    `next: lifeline token create --nodes ${id}, and start its agent with that join token and without its old key`,
  ]);
}

/** The enrolment as data; as text, the lines. */
function admissionView(enrolment: adminPb.Enrolment | undefined, more: object, lines: readonly string[]): View {
  const records = recordsView<adminPb.Enrolment>({
    rows: enrolment === undefined ? [] : [enrolment],
    columns: [],
    fields: ENROLMENT_FIELDS,
    json: { enrolment: enrolment === undefined ? null : enrolmentFacts(enrolment), ...more },
    empty: "",
    exitCode: EXIT.met,
  });
  const text = (shown: readonly string[]) => `${shown.join("\n")}\n`;
  return { ...records, text: () => text(lines.map(visibleText)), markdown: () => text(lines.map(codeSpan)) };
}
