/**
 * The system's code of an error: ENOSPC, EROFS, EIO … Throws the error itself when it has none: then it is a defect.
 */
export function systemCode(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  throw error;
}
