/** Whether the collector is ready: a write becomes durable in time. */
import type { Clock } from "@lifeline/measure";
import type { Store } from "../store/store.ts";

/** How long readiness waits for the store, ms. */
const READY_WITHIN_MS = 1_000;

/** Why it is not ready; undefined: it is. */
export async function notReady(store: Pick<Store, "submit">, clock: Clock): Promise<string | undefined> {
  const written = store.submit("touch", { nowMs: Math.round(clock.wallMs()) }).then(
    () => undefined,
    ({ code }: { code: string }) => `the store cannot write: ${code}`,
  );
  return new Promise((resolve) => {
    const timer = clock.after(READY_WITHIN_MS, () => resolve(`the store has not written for ${READY_WITHIN_MS} ms`));
    void written.then((reason) => {
      timer.cancel();
      resolve(reason);
    });
  });
}
