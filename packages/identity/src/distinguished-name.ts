/** Distinguished names from their parts. */
import { Name } from "@peculiar/x509";

/**
 * A name with these attributes in this order. Each value is text: in a plain string, the library would read a value
 * that begins with # as DER (RFC 4514 §2.4).
 */
export function nameOf(attributes: readonly (readonly [type: "CN" | "O", value: string])[]): Name {
  return new Name(attributes.map(([type, utf8String]) => ({ [type]: [{ utf8String }] })));
}
