import { Metadata } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { RpcError, RpcStatus, rpcErrorFrom } from "./rpc-error.ts";

it("is one line of visible text, whatever details the peer sent", () => {
  const details = "no such node\r\nerror: \u001b[31mrun this\u202e";
  const shown = "no such node\\u{D}\\u{A}error: \\u{1B}[31mrun this\\u{202E}";
  const failed = Object.assign(new Error("x"), { code: RpcStatus.NOT_FOUND, details, metadata: new Metadata() });
  expect(rpcErrorFrom(failed)).toMatchObject({ code: RpcStatus.NOT_FOUND, message: shown });
  expect(new RpcError(RpcStatus.ABORTED, details).message).toBe(shown);
});
