/** Attacks with a credential of one role: use the methods of another role. */
import { randomBytes } from "node:crypto";
import { createRpcClient, RpcStatus } from "@lifeline/rpc";
import { adminPb, queryPb, witnessPb } from "@lifeline/wire";
import { type Attack, outcomeOf } from "../attack.ts";
import { CALL, type TestBed } from "../test-bed.ts";
import { isRefusedWith, refusalOf, said } from "./refusal.ts";

async function nodeOf(testBed: TestBed, nodeId: string) {
  return testBed.client(await testBed.enrol(await testBed.token(), nodeId));
}

export const otherRoles: readonly Attack[] = [
  {
    name: "node-as-reader",
    position: "node",
    tries: "queries the fleet with a node's certificate",
    async run(testBed) {
      const client = createRpcClient(queryPb.QueryService, testBed.address, await nodeOf(testBed, "curious-1"));
      const refusal = await refusalOf(client.unary("listVerdicts", {}, CALL));
      client.close();
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "node-as-admin",
    position: "node",
    tries: "makes a join token with a node's certificate",
    async run(testBed) {
      const client = createRpcClient(adminPb.AdminService, testBed.address, await nodeOf(testBed, "curious-2"));
      const refusal = await refusalOf(client.unary("createJoinToken", {}, CALL));
      client.close();
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "node-as-witness",
    position: "node",
    tries: "reports as a witness of other nodes with a node's certificate",
    async run(testBed) {
      const client = createRpcClient(witnessPb.WitnessService, testBed.address, await nodeOf(testBed, "curious-3"));
      const word = { witnessId: randomBytes(16), port: 51_820, watchedMs: 60_000n };
      const refusal = await refusalOf(client.unary("witness", word, CALL));
      client.close();
      return outcomeOf([said(refusal), isRefusedWith(refusal, RpcStatus.PERMISSION_DENIED)]);
    },
  },
  {
    name: "reader-as-admin",
    position: "port",
    tries: "makes a join token and revokes a node with a reader's token",
    async run(testBed) {
      const client = createRpcClient(adminPb.AdminService, testBed.address, testBed.client());
      const by = { ...CALL, bearerToken: testBed.readerToken };
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
