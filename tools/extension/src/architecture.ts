/** The two kinds of machine Talos runs on, and what each world calls them. */

export interface Architecture {
  /** As Debian, OCI and Talos name it. */
  readonly name: "amd64" | "arm64";
  /** As Node and npm name it. */
  readonly nodeName: "x64" | "arm64";
  /** Debian's multiarch directory. */
  readonly triplet: "x86_64-linux-gnu" | "aarch64-linux-gnu";
  /** `e_machine` of its ELF files (elf.h: EM_X86_64, EM_AARCH64). */
  readonly elfMachine: number;
}

export const AMD64: Architecture = { name: "amd64", nodeName: "x64", triplet: "x86_64-linux-gnu", elfMachine: 62 };
export const ARM64: Architecture = { name: "arm64", nodeName: "arm64", triplet: "aarch64-linux-gnu", elfMachine: 183 };

/** In the order in which an index names them. */
export const ARCHITECTURES: readonly Architecture[] = [AMD64, ARM64];
