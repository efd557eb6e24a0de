/** What every program does before anything else: what it holds in memory (private keys, tokens) stays in it, and stderr stays clean. */

/**
 * 1. SIGUSR1 does nothing. Node would open its inspector on it, and whoever reaches 127.0.0.1:9229 then runs code in the process.
 * 2. An inspector that was opened so while the program was still being loaded is closed, unless Node was started with one.
 *    `--disable-sigusr1` (node-process of tools/bundle) leaves no such moment.
 * 3. Node's diagnostic reports, for which somebody has to ask (`--report-on-fatalerror`), hold no environment: a join token or a
 *    proxy's password may stand in it.
 * 4. Node prints no deprecation warnings. grpc-js names a collector that is dialled by address by that address within TLS too
 *    (DEP0123), which no user can change.
 */
export function guardProcess(): void {
  process.on("SIGUSR1", () => {});
  closeInspector();
  // An early signal is also under way to the event loop (uv_async_t), which opens it again in this turn or the next.
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
