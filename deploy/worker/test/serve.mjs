// Runs the Workers of the tests in the Workers runtime until its standard input ends. Told on standard input, in one
// line of JSON: {name: {script, vars, flags, r2, kv, points, self}}. Tells in one line of JSON: {name: address}.
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

import { build } from "esbuild";
import { Miniflare } from "miniflare";

const DATE = "2026-04-01";
const lines = createInterface({ input: process.stdin });
const asked = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);

const here = (name) => fileURLToPath(new URL(`workers/${name}.ts`, import.meta.url));
const scripts = [...new Set(Object.values(asked).map((worker) => worker.script))];
const built = await build({
  entryPoints: scripts.map(here),
  outdir: "/",
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  external: ["cloudflare:workers", "node:*"],
});
const text = Object.fromEntries(built.outputFiles.map((file) => [file.path.replace(/^.*\/|\.js$/g, ""), file.text]));

const runtime = new Miniflare({
  // 127.0.0.1 alone, on ports of its own choice
  host: "127.0.0.1",
  port: 0,
  cf: false,
  handleRuntimeStdio: (out, err) => {
    out.pipe(process.stderr);
    err.pipe(process.stderr);
  },
  workers: Object.entries(asked).map(([name, worker]) => ({
    name,
    modules: true,
    script: text[worker.script],
    compatibilityDate: DATE,
    compatibilityFlags: worker.flags ?? [],
    bindings: worker.vars ?? {},
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
    unsafeTriggerHandlers: true,
    ...(worker.r2 ? { r2Buckets: [worker.r2] } : {}),
    ...(worker.kv ? { kvNamespaces: [worker.kv] } : {}),
    ...(worker.points ? { analyticsEngineDatasets: { [worker.points]: { dataset: "pitchey_metrics" } } } : {}),
    ...(worker.self ? { serviceBindings: { [worker.self]: name } } : {}),
  })),
});
await runtime.ready;
const told = {};
for (const name of Object.keys(asked)) told[name] = String(await runtime.unsafeGetDirectURL(name));
process.stdout.write(`${JSON.stringify(told)}\n`);
lines.on("close", () => runtime.dispose().then(() => process.exit(0)));
