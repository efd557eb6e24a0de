/** Protects the secrets in a process's memory (private keys, tokens). Every program calls it first. */

/**
 * 1. SIGUSR1 does nothing. By default Node opens its inspector on SIGUSR1, and every local user who can connect to
 *    127.0.0.1:9229 can then run code in the process.
 * 2. If a signal opened the inspector while the program was loading, this closes it. An inspector that Node was started
 *    with stays open. `--disable-sigusr1` (node-process of tools/bundle) leaves no such gap.
 * 3. Node's diagnostic reports (`--report-on-fatalerror`) leave out the environment, because it may hold a join token
 *    or a proxy's password.
 * 4. Node prints no deprecation warnings. When a collector is dialled by address, grpc-js sends that address as the TLS
 *    server name (DEP0123). Users cannot change that.
 */
export function guardProcess(): void {
  process.on("SIGUSR1", () => {});
  closeInspector();
  // An early signal may still be queued in the event loop (uv_async_t). It opens the inspector again in this turn or
  // the next.
  setImmediate(() => {
    closeInspector();
    setImmediate(closeInspector);
  });
  if (process.report !== undefined) process.report.excludeEnv = true;
  process.noDeprecation = true;
}

function closeInspector(): void {
  const inspector = process.getBuiltinModule("node:inspector");
  const options = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  if (inspector.url() !== undefined && !options.includes("--inspect")) inspector.close();
}
