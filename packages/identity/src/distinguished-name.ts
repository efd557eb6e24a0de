/** Distinguished names from their parts. */
import { Name } from "@peculiar/x509";

/**
 * A name of attributes in their order, each value taken for text whatever it holds: of a bare string, the library reads one that begins
 * with # as DER (RFC 4514 §2.4).
 */
export function nameOf(attributes: readonly (readonly [type: "CN" | "O", value: string])[]): Name {
  return new Name(attributes.map(([type, utf8String]) => ({ [type]: [{ utf8String }] })));
}
