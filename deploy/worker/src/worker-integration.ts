/**
 * Monitoring of a Cloudflare Worker, sent to a pitchey_slo workbench, to Analytics Engine, or to both.
 *
 *     const router = Router();
 *     const monitoring = addMonitoringToWorker(router, env, db, redis);
 *     router.get("/api/pitches", handlePitches);
 *     export default { fetch: (request, env, ctx) => router.handle(request, env, ctx) };
 *
 * Every request becomes a row (route pattern, status, duration, colo, trace id), every error a log line with its stack,
 * and the health routes answer. Rows leave after the answer, scrubbed, by `ctx.waitUntil`. It measures no processor
 * time: the clock of a Worker stands still while it computes, so durations are those of what it waits for.
 */

import type { EventFields } from "./business";
import { Invocation } from "./invocation";
import { type Log, logOf } from "./log";
import { Monitor } from "./monitor";
import type { Options } from "./options";
import { watchRouter } from "./router";
import { isObject } from "./runtime";

export type { Check } from "./checks";
export type { EventFields } from "./business";
export type { Fields, Log, Write } from "./log";
export type { Destination, HealthOptions, Options } from "./options";
export type { Level } from "./rows";
export type { Storage } from "./runtime";
export { scrubText, scrubValue } from "./scrub";
export { userHash } from "./user";

/** What a request, or the code at hand, may say. */
export interface Saying {
  /** Says that a user did something: `event("payment_succeeded", { value: 49, currency: "EUR", plan: "pro" })`. */
  event(name: string, fields?: EventFields): void;
  /** Structured log lines: `log.info("pitch published", { pitch: id })`. */
  readonly log: Log;
}

/** The same, sure to belong to one request. */
export interface RequestSaying extends Saying {
  readonly traceId: string | undefined;
  /** Header of this name for requests to other services, so that they are part of the same trace. */
  readonly traceparent: string | undefined;
}

/** Counts since the isolate began. */
export interface Stats {
  /** Rows the workbench stored. */
  readonly sent: number;
  /** Deliveries that were tried again. */
  readonly retried: number;
  /** Requests and jobs whose rows are still to be sent. */
  readonly pending: number;
  /** Rows that were lost, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

export interface Monitoring extends Saying {
  /** What belongs to `request`, where many are served at once and the runtime cannot tell which one is running. */
  for(request: Request): RequestSaying;
  /** For a Worker without a router: its fetch function, or its whole `export default` with scheduled and queue. */
  wrap<H>(handler: H): H;
  stats(): Stats;
}

const known = new WeakMap<object, { monitor: Monitor; monitoring: Monitoring }>();

/**
 * Adds monitoring to an itty-router (versions 4 and 5), or to nothing (`null`) for use with `wrap`. Never throws.
 *
 * Called again with the same router, as from within `fetch`, it takes the newer bindings and adds nothing twice.
 *
 * @param env the Worker's bindings, or what they are known of when the Worker starts; each request's own go before.
 * @param db a database client for the health routes (D1, pg, Neon, postgres.js, ...), or a function that asks it.
 * @param redis a Redis client for them, or a function that asks it.
 */
export function addMonitoringToWorker(router: object | null, env: unknown, db?: unknown, redis?: unknown, options: Options = {}): Monitoring {
  const before = router && known.get(router);
  if (before) {
    before.monitor.bind(env, db, redis, options);
    return before.monitoring;
  }
  const monitor = new Monitor(options.storage);
  monitor.bind(env, db, redis, options);
  const monitoring: Monitoring = {
    event: (name, fields = {}) => monitor.event(name, fields, monitor.current()),
    log: monitor.log,
    for: (request) => saying(monitor, Invocation.of(request) ?? monitor.current()),
    wrap: (handler) => wrapped(monitor, handler),
    stats: () => ({
      sent: monitor.workbench.sent,
      retried: monitor.workbench.retried,
      pending: monitor.pending,
      dropped: Object.fromEntries(monitor.drops.total),
    }),
  };
  if (router) {
    watchRouter(router, monitor);
    known.set(router, { monitor, monitoring });
  }
  return monitoring;
}

function saying(monitor: Monitor, invocation: Invocation | undefined): RequestSaying {
  return {
    event: (name, fields = {}) => monitor.event(name, fields, invocation),
    log: logOf((level, message, fields) => monitor.say(level, message, fields, invocation)),
    traceId: invocation?.trace.traceId,
    traceparent: Monitor.traceparentOf(invocation),
  };
}

type Handle = (first: never, ...given: unknown[]) => unknown;

function wrapped<H>(monitor: Monitor, handler: H): H {
  if (typeof handler === "function") return served(monitor, handler as unknown as Handle) as H;
  if (!isObject(handler)) return handler;
  const made: Record<string, unknown> = { ...handler };
  for (const [name, own] of Object.entries(handler)) {
    if (typeof own !== "function") continue;
    const handle = (own as Handle).bind(handler) as Handle;
    if (name === "fetch") made[name] = served(monitor, handle);
    else if (name === "scheduled" || name === "queue") made[name] = job(monitor, name, handle);
  }
  return made as H;
}

function served(monitor: Monitor, handle: Handle): unknown {
  return (request: Request, ...given: unknown[]) => monitor.watch(request, given, false, () => handle(request as never, ...given));
}

function job(monitor: Monitor, name: string, handle: Handle): unknown {
  return (first: unknown, ...given: unknown[]) => monitor.watchJob(name, given, () => handle(first as never, ...given));
}
