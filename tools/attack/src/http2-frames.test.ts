import { once } from "node:events";
import { createServer } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { batchOf, CONNECTION_PREFACE, type FrameFlood } from "./http2-frames.ts";

/** What Node's own HTTP/2 makes of a flood: streams that it opened, and why it ended the session. */
async function taken(flood: FrameFlood): Promise<{ readonly streams: number; readonly error: string }> {
  const server = createServer({ settings: { maxConcurrentStreams: 4 } });
  let streams = 0;
  server.on("stream", (stream) => {
    streams += 1;
    stream.on("error", () => {}).resume();
  });
  const ended = once(server, "sessionError");
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  socket.write(CONNECTION_PREFACE);
  for (let nth = 0; nth < 20; nth += 1) socket.write(batchOf(flood, nth));
  const [error] = (await ended) as [NodeJS.ErrnoException];
  socket.destroy();
  server.close();
  return { streams, error: `${error.code}: ${error.message}` };
}

it.each([
  ["settings", 0, /Flooding was detected/],
  ["ping", 0, /Flooding was detected/],
  ["continuation", 0, /Too many CONTINUATION frames/],
  ["headers", 4, /TOO_MANY_INVALID_FRAMES/],
  ["empty-data", 1, /TOO_MANY_INVALID_FRAMES/],
] as const)("%s is taken for the flood it is", async (flood, streams, error) => {
  expect(await taken(flood)).toEqual({ streams, error: expect.stringMatching(error) });
});

it.each(["rapid-reset", "unserved-reset"] as const)(
  "%s opens a thousand streams before it is taken for a flood",
  async (flood) => {
    expect((await taken(flood)).streams).toBeGreaterThan(1_000);
  },
);
