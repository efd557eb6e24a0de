/** The architectures that Talos runs on, and their names elsewhere. */

/** As Debian, OCI and Talos name it. */
export type ArchitectureName = "amd64" | "arm64";

export interface Architecture {
  readonly name: ArchitectureName;
  /** As Node and npm name it. */
  readonly nodeName: "x64" | "arm64";
  /** Debian's multiarch directory. */
  readonly triplet: "x86_64-linux-gnu" | "aarch64-linux-gnu";
  /** `e_machine` of its ELF files (elf.h: EM_X86_64, EM_AARCH64). */
  readonly elfMachine: number;
}

export const AMD64: Architecture = { name: "amd64", nodeName: "x64", triplet: "x86_64-linux-gnu", elfMachine: 62 };
export const ARM64: Architecture = { name: "arm64", nodeName: "arm64", triplet: "aarch64-linux-gnu", elfMachine: 183 };

/** In the order of an index. */
export const ARCHITECTURES: readonly Architecture[] = [AMD64, ARM64];

/** By name. */
export const architectureOf = (name: ArchitectureName): Architecture => (name === "amd64" ? AMD64 : ARM64);

/** This machine's; undefined when Talos does not run on it. */
export const HERE: ArchitectureName | undefined = ARCHITECTURES.find(({ nodeName }) => nodeName === process.arch)?.name;
