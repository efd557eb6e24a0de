/** The system's word for what went wrong: ENOSPC, EROFS, EIO … Throws the error itself where it has none: then it is no disk's doing. */
export function systemCode(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  throw error;
}
