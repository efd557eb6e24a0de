/** A deployment whose Machine API is at `machineApi` (host:port). It has nothing public: no packet leaves loopback. */
export function loopbackDeployment(machineApi: string): string {
  return `version: 1
name: loopback
kind: on-prem
omni:
  api: https://127.0.0.1:1
  machineApi: grpc://${machineApi}
  siderolink: ["127.0.0.1:1"]
network:
  resolvers: [127.0.0.1]
  timeServers: [127.0.0.1]
airGapped:
  mirrors: []
`;
}
