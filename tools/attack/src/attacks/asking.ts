/** By who has a credential of one kind, to do what another is for. */
import { randomBytes } from "node:crypto";
import { createRpcClient, RpcStatus } from "@lifeline/rpc";
import { adminPb, queryPb, witnessPb } from "@lifeline/wire";
import { type Attack, outcomeOf } from "../attack.ts";
import { CALL, type Stage } from "../stage.ts";
import { isRefusedWith, refusalOf, said } from "./refusal.ts";

async function nodeOf(stage: Stage, nodeId: string) {
  return stage.client(await stage.enrol(await stage.token(), nodeId));
}

export const asking: readonly Attack[] = [
  {
    name: "node-as-reader",
    standing: "node",
    tries: "asks under a node's certificate what the fleet sees",
    async run(stage) {
      const client = createRpcClient(queryPb.QueryService, stage.address, await nodeOf(stage, "curious-1"));
      const refusal = await refusalOf(client.unary("listVerdicts", {}, CALL));
      client.close();
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "node-as-admin",
    standing: "node",
    tries: "makes itself a join token under a node's certificate",
    async run(stage) {
      const client = createRpcClient(adminPb.AdminService, stage.address, await nodeOf(stage, "curious-2"));
      const refusal = await refusalOf(client.unary("createJoinToken", {}, CALL));
      client.close();
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "node-as-witness",
    standing: "node",
    tries: "says under a node's certificate what a witness beside Omni would have heard of others",
    async run(stage) {
      const client = createRpcClient(witnessPb.WitnessService, stage.address, await nodeOf(stage, "curious-3"));
      const word = { witnessId: randomBytes(16), port: 51_820, watchedMs: 60_000n };
      const refusal = await refusalOf(client.unary("witness", word, CALL));
      client.close();
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "reader-as-admin",
    standing: "port",
    tries: "makes itself a join token, and revokes a node, with a reader's token",
    async run(stage) {
      const client = createRpcClient(adminPb.AdminService, stage.address, stage.client());
      const by = { ...CALL, bearerToken: stage.readerToken };
      const made = await refusalOf(client.unary("createJoinToken", {}, by));
      const revoked = await refusalOf(client.unary("revokeNode", { nodeId: "victim-1" }, by));
      client.close();
      return outcomeOf(
        [said(made), isRefusedWith(made, RpcStatus.PERMISSION_DENIED)],
        [said(revoked), isRefusedWith(revoked, RpcStatus.PERMISSION_DENIED)],
      );
    },
  },
];
