/**
 * Two resources of Talos by COSI's State service (package cosi.resource): only `Get`, only these two, with the role
 * os:reader.
 *
 * Field numbers: cosi-project/runtime api/v1alpha1 (GetRequest namespace 1, type 2, id 3; GetResponse resource 1;
 * Resource spec 2; Spec proto_spec 1) and siderolabs/talos pkg/machinery/resources, as of v1.13 (siderolink StatusSpec
 * host 1, connected 2; network LinkStatusSpec wireguard 29, WireguardSpec peers 5, WireguardPeer endpoint 3). Keys are
 * other fields, which are skipped.
 */
import { endpointName } from "@lifeline/measure";
import { readHostPort } from "@lifeline/settings";
import { bytesAt, encodeTexts, fieldOf, fieldsOf } from "./message.ts";

/** The method that is called, and the metadata that states the role (Talos, pkg/grpc/middleware/authz). */
export const GET_METHOD = "/cosi.resource.State/Get";
export const READER_HEADERS = { "talos-role": "os:reader" } as const;

/** The state of SideroLink's stream to the Machine API. */
export const SIDEROLINK_STATUS = encodeTexts([
  "config",
  "SiderolinkStatuses.siderolink.talos.dev",
  "siderolink-status",
]);

/** The state of the tunnel's link in the kernel. Talos puts no handshake time there. */
export const SIDEROLINK_LINK = encodeTexts(["network", "LinkStatuses.net.talos.dev", "siderolink"]);

/** Longest host: a DNS name and a port. */
const HOST_MAX_LENGTH = 260;

/** The answer about {@link SIDEROLINK_STATUS}: host[:port], and whether it is connected. Throws a MalformedMessage. */
export function siderolinkStatusOf(response: Uint8Array): { readonly host: string; readonly isConnected: boolean } {
  const spec = bytesAt(response, 1, 2, 1) ?? new Uint8Array();
  const host = textOf(fieldOf(spec, 1));
  // proto3 leaves false out.
  const isConnected = fieldOf(spec, 2) === 1n;
  return { host: isHost(host) ? host : "", isConnected };
}

/**
 * The answer about {@link SIDEROLINK_LINK}: the one peer's endpoint, host:port; empty when there is none. Throws a
 * MalformedMessage.
 */
export function wireguardEndpointOf(response: Uint8Array): string {
  const wireguard = bytesAt(response, 1, 2, 1, 29) ?? new Uint8Array();
  for (const { number, value } of fieldsOf(wireguard)) {
    if (number !== 5 || !(value instanceof Uint8Array)) continue;
    const endpoint = readHostPort(textOf(fieldOf(value, 3)));
    if (endpoint !== undefined) return endpointName(endpoint.host, endpoint.port);
  }
  return "";
}

/** Whether the text is a host, with or without a port, and nothing else that could carry a token. */
function isHost(text: string): boolean {
  return text.length <= HOST_MAX_LENGTH && /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?$/.test(text);
}

function textOf(value: bigint | Uint8Array | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : "";
}
