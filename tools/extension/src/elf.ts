/** What the loader reads of a file that goes into an image. */
import { ExtensionError } from "./extension-error.ts";
import { type Elf, ElfError, readElf as read } from "./validate/elf.ts";

/** Throws `binary`, naming `path`, when it is no whole 64-bit little-endian ELF file. */
export function readElf(bytes: Uint8Array, path: string): Elf {
  try {
    return read(bytes);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    throw new ExtensionError("binary", `${path}: no 64-bit little-endian ELF file that can be read: ${error.message}`);
  }
}
