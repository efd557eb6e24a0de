/** A smaller input that fails in the same way. */

/** Most trials: a failure is worth a moment, and no more. */
const TRIALS_MAX = 400;

/** Removes pieces, halves first, while `fails` holds for the rest. Calls `fails` at most 400 times. */
export async function minimise(
  input: Uint8Array,
  fails: (candidate: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let least = input;
  let trials = 0;
  for (let pieceBytes = Math.ceil(input.length / 2); pieceBytes >= 1; pieceBytes = Math.floor(pieceBytes / 2)) {
    for (let at = 0; at < least.length && trials < TRIALS_MAX; trials += 1) {
      const shorter = Uint8Array.from([...least.subarray(0, at), ...least.subarray(at + pieceBytes)]);
      if (await fails(shorter)) least = shorter;
      else at += pieceBytes;
    }
  }
  return least;
}
