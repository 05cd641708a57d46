/** A Worker without a router. */
import { addMonitoringToWorker, scrubText, scrubValue } from "../../src/worker-integration";

interface Bindings {
  readonly LINGER?: string;
  readonly TIMEOUT?: string;
  readonly ORIGIN: string;
}

const options = { lingerMs: 0, timeoutMs: 5_000, console: false };
const monitoring = addMonitoringToWorker(null, {}, undefined, undefined, options);

const handlers = {
  async fetch(request: Request, env: Bindings, _ctx: ExecutionContext): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/fails") throw new Error("nobody catches this");
    if (url.pathname === "/missing") return new Response("no", { status: 404 });
    // an answer of another server, whose headers cannot be changed
    if (url.pathname === "/through") return fetch(env.ORIGIN);
    if (url.pathname === "/socket") return socket();
    monitoring.log.info(`asked for ${url.pathname}`);
    return new Response("ok");
  },
  async scheduled(controller: ScheduledController, _env: Bindings, _ctx: ExecutionContext): Promise<void> {
    monitoring.log.info("tidied up", { cron: controller.cron });
    monitoring.event("digest_sent", { value: 3 });
    if (controller.cron === "* * * * 1") throw new Error("mondays");
  },
};

function socket(): Response {
  const { 0: theirs, 1: ours } = new WebSocketPair();
  ours.accept();
  ours.send("hello");
  return new Response(null, { status: 101, webSocket: theirs });
}

function scrubbed(asked: unknown): Response {
  const { texts, values } = asked as { texts: string[]; values: unknown[] };
  return Response.json({ texts: texts.map(scrubText), values: values.map(scrubValue) });
}

/** What became of a job that the tests start. */
function ran(job: Promise<void>): Promise<Response> {
  return job.then(
    () => new Response("done"),
    (error: unknown) => new Response(String(error), { status: 500 }),
  );
}

const watched = monitoring.wrap(handlers);

export default {
  ...watched,
  async fetch(request: Request, env: Bindings, ctx: ExecutionContext): Promise<Response> {
    if (request.url.endsWith("/stats")) return Response.json(monitoring.stats());
    if (request.url.endsWith("/scrub")) return scrubbed(await request.json());
    if (request.url.includes("/cron")) return ran(watched.scheduled({ cron: await request.text() } as ScheduledController, env, ctx));
    options.lingerMs = Number(env.LINGER ?? 0);
    options.timeoutMs = Number(env.TIMEOUT ?? 5_000);
    return watched.fetch(request, env, ctx);
  },
};
