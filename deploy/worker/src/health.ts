/**
 * The health routes: `live` answers as long as this code runs, `ready` when database and cache answer, `all` with every
 * component. 200 or 503, as Kubernetes and the workbench's own checks read it. Without the token states alone.
 */

import { bindingChecks, cacheCheck, type Check, databaseCheck } from "./checks";
import type { HealthOptions, Settings } from "./options";
import { type Env, within } from "./runtime";
import { scrubText } from "./scrub";

export type State = "healthy" | "degraded" | "unhealthy";

/** What is known of one component. */
export interface Seen {
  readonly status: State;
  readonly latency_ms: number;
  readonly reason: string | null;
}

/** An answer later than this is a slow one. */
const SLOW_MS = 1_000;
const NEEDED = ["database", "cache"];

export class Health {
  private readonly seen = new Map<string, { at: number; seen: Seen }>();

  /** The answer when `request` asks for health, undefined when it asks for anything else. */
  async answer(request: Request, options: HealthOptions, settings: Settings, env: Env, db: unknown, redis: unknown): Promise<Response | undefined> {
    const base = options.path ?? "/api/health";
    // cheap for all other requests: no address is parsed
    if (!request.url.includes(base) || !/^(?:GET|HEAD)$/.test(request.method)) return undefined;
    const path = new URL(request.url).pathname;
    const which = path.startsWith(`${base}/`) ? path.slice(base.length + 1) : "";
    if (which === "live") return told({ status: "live" }, 200);
    if (which !== "ready" && which !== "all") return undefined;
    const checks = checksOf(options, which === "all" ? env : {}, db, redis);
    if (which === "ready") for (const name of checks.keys()) if (!NEEDED.includes(name)) checks.delete(name);
    const found = await this.look(checks, options);
    const broken = [...found.values()].some((seen) => seen.status === "unhealthy");
    const status = which === "ready" ? (broken ? "not ready" : "ready") : worst([...found.values()]);
    const components = Object.fromEntries([...found].map(([name, seen]) => [name, { status: seen.status }]));
    const allowed = await sameText(bearer(request), settings.healthToken);
    return told({ status, components: allowed ? Object.fromEntries(found) : components }, broken ? 503 : 200);
  }

  private async look(checks: ReadonlyMap<string, Check>, options: HealthOptions): Promise<Map<string, Seen>> {
    const found = await Promise.all([...checks].map(async ([name, check]) => [name, await this.one(name, check, options)] as const));
    return new Map(found);
  }

  private async one(name: string, check: Check, options: HealthOptions): Promise<Seen> {
    const known = this.seen.get(name);
    const began = Date.now();
    if (known && began - known.at < (options.keepMs ?? 2_000)) return known.seen;
    const reason = await failure(check, options.timeoutMs ?? 2_000);
    const latency_ms = Date.now() - began;
    const slow = latency_ms > SLOW_MS;
    const seen: Seen = {
      status: reason !== null ? "unhealthy" : slow ? "degraded" : "healthy",
      latency_ms,
      reason: reason ?? (slow ? `took ${latency_ms} ms, more than ${SLOW_MS}` : null),
    };
    this.seen.set(name, { at: Date.now(), seen });
    return seen;
  }
}

function checksOf(options: HealthOptions, env: Env, db: unknown, redis: unknown): Map<string, Check> {
  const checks = bindingChecks(env);
  if (db !== undefined && db !== null) checks.set("database", databaseCheck(db) ?? unknown("database", "prepare, query, execute or ping"));
  if (redis !== undefined && redis !== null) checks.set("cache", cacheCheck(redis) ?? unknown("cache", "ping"));
  for (const [name, check] of Object.entries(options.checks ?? {})) checks.set(name, check);
  return checks;
}

function unknown(name: string, methods: string): Check {
  return () => {
    throw new TypeError(`the ${name} given has no method to ask by (${methods}); give a function instead`);
  };
}

/** Why a check failed, in a line; null when it did not. */
async function failure(check: Check, timeoutMs: number): Promise<string | null> {
  try {
    await within(Promise.resolve(check()), timeoutMs);
    return null;
  } catch (error) {
    return scrubText(error instanceof Error ? error.message || error.name : String(error)).slice(0, 300) || "failed";
  }
}

function worst(all: readonly Seen[]): State {
  return all.some((s) => s.status === "unhealthy") ? "unhealthy" : all.some((s) => s.status === "degraded") ? "degraded" : "healthy";
}

function told(body: object, status: number): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}

function bearer(request: Request): string | undefined {
  return /^bearer\s+(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

/** Whether two texts are the same, in a time that does not tell how much of them is. False when one is missing. */
async function sameText(a: string | undefined, b: string | undefined): Promise<boolean> {
  if (!a || !b) return false;
  const [x, y] = await Promise.all([a, b].map((text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
  const left = new Uint8Array(x as ArrayBuffer);
  const right = new Uint8Array(y as ArrayBuffer);
  return left.reduce((different, byte, i) => different | (byte ^ (right[i] ?? 0)), 0) === 0;
}
