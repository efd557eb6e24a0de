/**
 * Starts queries one after the other. The event loop runs between two, so reports wait for one query and not for all.
 */
import { setImmediate as loopRound } from "node:timers/promises";
import { type CallContext, RpcError, RpcStatus } from "@lifeline/rpc";

type Query<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

/**
 * Wraps a service so that its queries start in the order of their arrival. A query whose caller has disconnected is not
 * started. The number of waiting queries is bounded by the streams of the connections of one name.
 */
export function queueQueries<Service extends object>(service: Service): Service {
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
