/** The SideroLinkConfig document in `talos.config.inline` of the kernel's arguments. It holds the join token (S1). */
import { zstdDecompressSync } from "node:zlib";

/** Most bytes of the documents: 1 MiB. A kernel's arguments have a few KiB. */
const CONFIG_MAX_BYTES = 1_048_576;

/**
 * The `apiUrl` of the document. Undefined when there is none, or when the argument cannot be decoded: Talos then has no
 * document either. The argument is base64 of zstd, and several are one text (talos pkg/machinery/constants,
 * KernelParamConfigInline).
 */
export function inlineApiUrl(kernelArguments: string): string | undefined {
  const encoded = [...kernelArguments.matchAll(/(?:^|\s)talos\.config\.inline=(\S+)/g)].map(([, text = ""]) => text);
  if (encoded.length === 0) return undefined;
  const documents = decoded(encoded.join("")).split(/^---.*$/m);
  const document = documents.find((text) => /^kind:\s*["']?SideroLinkConfig["']?\s*$/m.test(text)) ?? "";
  return /^apiUrl:\s*["']?([^\s"']+)/m.exec(document)?.[1];
}

function decoded(base64: string): string {
  try {
    return zstdDecompressSync(Buffer.from(base64, "base64"), { maxOutputLength: CONFIG_MAX_BYTES }).toString("utf8");
  } catch {
    return "";
  }
}
