/** The certificates of a chain that are outside their validity. */
import type { ChainCertificate } from "@lifeline/measure";

/** Certificates by their place: one after the server's own is its issuer's, and so on. */
export interface PlacedCertificate extends ChainCertificate {
  /** 0: the server's own. */
  readonly place: number;
}

/** Those that had ended at that wall time, ms since the epoch. Certificates without readable dates are left out. */
export function endedAt(chain: readonly ChainCertificate[], wallMs: number): readonly PlacedCertificate[] {
  return placed(chain).filter(({ notAfter }) => Date.parse(notAfter) < wallMs);
}

/** Those that had not begun at that wall time, ms since the epoch. */
export function notBegunAt(chain: readonly ChainCertificate[], wallMs: number): readonly PlacedCertificate[] {
  return placed(chain).filter(({ notBefore }) => Date.parse(notBefore) > wallMs);
}

/** Share of its life, 0–1, below which the rest of a certificate's life is short: renewal is due well before. */
const REST_RATIO = 0.2;

/**
 * The certificate that ends first of those that end soon: within `withinMs`, and with less than a fifth of their life
 * left. So a certificate of a day, renewed when a third of its life is left, never ends soon. Those that had ended when
 * the chain was accepted, at `acceptedAtMs`, are left out: the server sent another one as well. Undefined: none does.
 */
export function endsSoon(
  chain: readonly ChainCertificate[],
  wallMs: number,
  withinMs: number,
  acceptedAtMs: number,
): PlacedCertificate | undefined {
  return placed(chain)
    .filter(({ notBefore, notAfter }) => {
      if (Date.parse(notAfter) < acceptedAtMs) return false;
      const restMs = Date.parse(notAfter) - wallMs;
      return restMs < withinMs && restMs < REST_RATIO * (Date.parse(notAfter) - Date.parse(notBefore));
    })
    .sort((a, b) => Date.parse(a.notAfter) - Date.parse(b.notAfter))[0];
}

function placed(chain: readonly ChainCertificate[]): readonly PlacedCertificate[] {
  return chain.map((certificate, place) => ({ ...certificate, place }));
}
