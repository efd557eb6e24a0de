/** Attacks by a client that can reach the port: keep other clients out. */
import { connect, type Socket } from "node:net";
import { pause } from "@lifeline/measure";
import { WAITING_MAX, WAITING_PER_SOURCE_MAX } from "@lifeline/rpc";
import { type Attack, outcomeOf } from "../attack.ts";
import { within } from "../poll.ts";

/** Sources it comes from: with as many as each may hold, more than unauthenticated clients may be in all. */
const SOURCES = 5;

/** Counts connections that were ended for another one. Those that are ended for their deadline count elsewhere. */
const EVICTED = 'lifeline_collector_connections_refused_total{reason="too-many-waiting"}';

/** Connections that wait for their handshake. */
const WAITING = 'lifeline_collector_connections{state="waiting"}';

/** How often the collector's metrics are read, ms: they cost it time that honest nodes wait for. */
const LOOK_EVERY_MS = 500;

/** Calls an honest node makes during the attack. */
const HONEST = 3;

export const holding: readonly Attack[] = [
  {
    name: "hold-connections",
    position: "port",
    tries: `opens ${SOURCES * WAITING_PER_SOURCE_MAX} connections from ${SOURCES} addresses and sends nothing on them`,
    async run(testBed) {
      const node = await testBed.enrol(await testBed.token(), "patient-1");
      const evicted = async () => (await testBed.series(EVICTED)) || 0;
      const before = await evicted();
      let ended = 0;
      const sockets: Socket[] = Array.from({ length: SOURCES * WAITING_PER_SOURCE_MAX }, (_, at) => {
        const localAddress = `127.0.66.${(at % SOURCES) + 1}`;
        const socket = connect({ port: testBed.port, host: "127.0.0.1", localAddress });
        return socket.on("error", () => {}).on("close", () => (ended += 1));
      });
      let waitingMax = 0;
      await within(testBed.clock, async () => {
        await pause(testBed.clock, LOOK_EVERY_MS);
        waitingMax = Math.max(waitingMax, await testBed.series(WAITING));
        return ended >= SOURCES * WAITING_PER_SOURCE_MAX - WAITING_MAX;
      });
      const evictions = (await evicted()) - before;
      let letIn = 0;
      for (let calls = 0; calls < HONEST; calls += 1) {
        const stream = await testBed.openStream(testBed.client(node), "patient-1");
        if (stream.first === "let in") letIn += 1;
        stream.close();
      }
      for (const socket of sockets) socket.destroy();
      return outcomeOf(
        [`${evictions} of them were evicted by then`, evictions > 0],
        [`${waitingMax} waited at once`, waitingMax <= WAITING_MAX],
        [`a node meanwhile came in ${letIn} of ${HONEST} times`, letIn === HONEST],
      );
    },
  },
];
