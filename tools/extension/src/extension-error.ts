/**
 * Why there is no image. `code`: `usage` (wrong arguments), `missing` (a program, or the source date), `command` (a program failed),
 * `lock` (Debian packages other than the lock file's), `integrity` (bytes other than the lock file's), `binary` (an ELF file that is not
 * what is expected), `tree` (paths that cannot stand in one image) or `licence` (a package that says nothing of its own).
 */
export class ExtensionError extends Error {
  readonly code: "usage" | "missing" | "command" | "lock" | "integrity" | "binary" | "tree" | "licence";
  constructor(code: ExtensionError["code"], message: string) {
    super(message);
    this.name = "ExtensionError";
    this.code = code;
  }
}
