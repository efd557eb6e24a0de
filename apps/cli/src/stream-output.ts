/** A process's own stream as a command's output. */
import type { WriteStream } from "node:tty";
import type { Output } from "./world.ts";

/** The output behind stdout or stderr; its size is that of the terminal, where there is one. */
export function outputOf(stream: WriteStream): Output {
  return {
    // A write that fails ends in the stream's error event; the promise is settled all the same.
    write: (text) => new Promise((resolve) => stream.write(text, () => resolve())),
    isTTY: stream.isTTY ?? false,
    columns: () => (stream.isTTY ? stream.columns : undefined),
    rows: () => (stream.isTTY ? stream.rows : undefined),
  };
}
