/** `lifeline reflector …`: the reflector beside Omni, which has its own arguments. */
import type { Command } from "commander";
import { withTraits } from "../session.ts";

/** The command's name; `run` passes on what follows it. */
export const REFLECTOR = "reflector";

/** Adds the command to the help and to completions. */
export function addReflector(root: Command): void {
  const command = root
    .command(REFLECTOR)
    .description("answer STAMP beside Omni, share the SideroLink port, and watch it (--help shows its own options)")
    .allowUnknownOption();
  withTraits(command, {
    uses: [],
    examples: [
      ["lifeline reflector --share 51820 --print-rules | nft -f -", "hand the port's other datagrams to the reflector"],
      ["lifeline reflector --key-file stamp.key", "answer authenticated STAMP on port 862"],
    ],
  });
}
