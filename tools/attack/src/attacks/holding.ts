/** By who reaches the port alone: to keep others from it. */
import { connect, type Socket } from "node:net";
import { STRANGERS_PER_SOURCE_MAX } from "@lifeline/wire";
import { type Attack, outcomeOf } from "../attack.ts";
import { comesAbout } from "../stage.ts";
import { said } from "./refusal.ts";

/** Connections beyond what one source may hold. */
const BEYOND = 100;

export const holding: readonly Attack[] = [
  {
    name: "hold-connections",
    standing: "port",
    tries: `opens ${STRANGERS_PER_SOURCE_MAX + BEYOND} connections from one address and says nothing on them`,
    async run(stage) {
      const node = await stage.enrol(await stage.token(), "patient-1");
      let ended = 0;
      const sockets: Socket[] = Array.from({ length: STRANGERS_PER_SOURCE_MAX + BEYOND }, () => {
        const socket = connect({ port: stage.port, host: "127.0.0.1", localAddress: "127.0.0.66" });
        return socket.on("error", () => {}).on("close", () => (ended += 1));
      });
      const refused = await comesAbout(stage.clock, () => ended >= BEYOND);
      const { first } = await stage.speak(stage.client(node), "patient-1");
      for (const socket of sockets) socket.destroy();
      return outcomeOf(
        [`${ended} of them were shown out at once`, refused],
        [`a node meanwhile: ${said(first)}`, first === "let in"],
      );
    },
  },
];
