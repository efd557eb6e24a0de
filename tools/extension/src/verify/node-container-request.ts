/**
 * Request of NodeContainer to the process in the node's network. It is sent over standard input, because a command line
 * would show the token.
 */
import type { SquashedExtension } from "./squashed-extension.ts";

export interface NodeContainerRequest {
  readonly extension: SquashedExtension;
  /** Directory that stands for the node's root (see makeNodeRoot). Its state outlives a container. */
  readonly node: string;
  /** As an ExtensionServiceConfig adds it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of the control group; no other container has it. */
  readonly name: string;
}
