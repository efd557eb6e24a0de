/** Queries begin one after the other, and the event loop goes round between two, so reports wait for one query and not for all that have come. */
import { setImmediate as loopRound } from "node:timers/promises";
import { type CallContext, RpcError, RpcStatus } from "@lifeline/rpc";

type Query<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

/**
 * The service with each query waiting for its turn, in the order in which they came. One whose caller has gone meanwhile is not begun. Those
 * that wait are bounded by the streams of the connections under one name.
 */
export function inTurns<Service extends object>(service: Service): Service {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn =
    <Request, Response>(query: Query<Request, Response>): Query<Request, Response> =>
    async (request, context) => {
      const turn = last.then(() => loopRound());
      last = turn;
      await turn;
      if (context.signal.aborted) throw new RpcError(RpcStatus.CANCELLED, "the caller has gone");
      return query(request, context);
    };
  const entries = Object.entries(service).map(([name, query]) => [name, inTurn(query)]);
  return Object.fromEntries(entries) as Service;
}
