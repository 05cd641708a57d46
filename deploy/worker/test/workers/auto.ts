/** itty-router 5 with AutoRouter, which answers errors itself; bindings only as each request brings them; both destinations. */
import { AutoRouter, StatusError, error, withParams } from "itty-router";

import { type Options, addMonitoringToWorker } from "../../src/worker-integration";
import { Recorder } from "./given";

interface Bindings {
  ANALYTICS_ENGINE: AnalyticsEngineDataset;
  BUCKET: R2Bucket;
  NAMES: KVNamespace;
  SELF: Fetcher;
}

const router = AutoRouter();
const options: Options = { destination: "both", service: "auto", health: { path: "/health", keepMs: 0, token: "look-inside-please" } };
const monitoring = addMonitoringToWorker(router, undefined, undefined, undefined, options);
let recorder: Recorder | undefined;

router.get("/pitches/:id", withParams, async (request) => {
  monitoring.event("pitch_viewed", { value: 1, pitch: request.id });
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { id: request.id, trace: monitoring.for(request).traceId };
});
router.get("/refused", () => error(403, "not yours"));
router.get("/thrown", () => {
  throw new StatusError(404, "not here");
});
router.get("/fails", async () => {
  await Promise.resolve();
  throw new Error("answered by the router");
});
router.get("/big", () => {
  monitoring.event("exported", { text: "é".repeat(9_000) });
  return new Response("big");
});
router.get(`/${"long-".repeat(30)}`, () => new Response("long"));
router.get("/eager", () => {
  for (let i = 0; i < 40; i++) monitoring.event("step", { value: i });
  return new Response("eager");
});
router.get("/together/:n", async ({ params }) => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  monitoring.log.info(`together ${params["n"]}`);
  return new Response("ok");
});
router.get("/afterwards", (_request, _env, ctx: ExecutionContext) => {
  ctx.waitUntil(
    new Promise((resolve) => setTimeout(resolve, 150)).then(() => {
      monitoring.log.info("said after the answer");
    }),
  );
  return new Response("ok");
});

export default {
  async fetch(request: Request, env: Bindings, ctx: ExecutionContext): Promise<Response> {
    if (request.url.endsWith("/points")) return Response.json(recorder?.points ?? []);
    if (request.url.endsWith("/stats")) return Response.json(monitoring.stats());
    recorder ??= new Recorder(env.ANALYTICS_ENGINE);
    const bindings = { ...env, ANALYTICS_ENGINE: recorder };
    addMonitoringToWorker(router, bindings, undefined, undefined, options); // each time again, which changes nothing
    return router.fetch(request, bindings, ctx);
  },
};
