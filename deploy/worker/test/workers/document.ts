/** As the source document has it: itty-router 4, `handle`, bindings that are known when the Worker starts. */
import { env } from "cloudflare:workers";
import { Router } from "itty-router-4";

import { addMonitoringToWorker } from "../../src/worker-integration";
import { cacheOf, databaseOf, type Vars } from "./given";

const router = Router();
const vars = env as unknown as Vars;

// Add monitoring to existing worker
const monitoring = addMonitoringToWorker(router, env, databaseOf(vars), cacheOf(vars), {
  user: (request) => request.headers.get("x-user"),
  health: { keepMs: 0, timeoutMs: 300 },
});

router.all("*", () => undefined); // middleware that goes on
router.get("/api/pitches", () => new Response("[]", { headers: { "content-length": "2", "cf-cache-status": "HIT" } }));
router.get("/api/pitches/:id", ({ params }) => new Response(`pitch ${params["id"]}`));
router.post("/api/ndas/:id/sign", async (request: Request) => {
  await request.text();
  monitoring.event("nda_signed", { value: 12.5, currency: "EUR", nda: "nda-7", contact: "ana.pop@example.test", card: 4111111111111111 });
  monitoring.event("pitch_viewed", { user: "somebody-else", location: "RO" });
  return new Response(null, { status: 204 });
});
router.get("/api/fails", async () => {
  await Promise.resolve();
  throw new TypeError("no pitch for investor ana.pop@example.test", { cause: new Error("connect to postgres://app:hunter22@db.internal/pitchey failed") });
});
router.get("/api/teapot", () => new Response("short and stout", { status: 503 }));
router.get("/api/says", () => {
  monitoring.log.debug("not wanted");
  monitoring.log.info("signed in from 203.0.113.77", { password: "hunter22", plan: "pro", logger: "login", status: 200, duration_ms: 1.5 });
  monitoring.log.warn("slow Bearer abcDEF123456789", { headers: new Headers({ Cookie: "sid=tell-nobody", accept: "*/*" }) });
  monitoring.log.critical(new RangeError("out of pitches"));
  return new Response("said");
});
router.get("/api/many", () => {
  for (let i = 0; i < 500; i++) monitoring.log.info(`line ${i}`);
  throw new Error("after many lines");
});
// whether each line is found with its own request: this runtime cannot tell which one is running
router.get("/api/together/:n", async (request: Request & { params: Record<string, string> }) => {
  const { n } = request.params;
  const mine = monitoring.for(request);
  await new Promise((resolve) => setTimeout(resolve, 20));
  monitoring.log.info(`somebody ${n}`);
  mine.log.info(`mine ${n}`);
  return new Response(mine.traceId);
});

export default {
  async fetch(request: Request, given: unknown, ctx: ExecutionContext): Promise<Response> {
    if (request.url.endsWith("/stats")) return Response.json(monitoring.stats());
    return router.handle(request, given, ctx);
  },
};
