/** How a component is asked whether it works: whatever client a Worker has for it, by the method that it has. */

import { type Env, isObject } from "./runtime";

/** Fails, or gives a promise that fails, when the component does not work. */
export type Check = () => unknown;

const ASK = "SELECT 1";

/**
 * A check of a database client: D1 (`prepare`), pg, Neon and mysql2 (`query`), libSQL, PlanetScale and Drizzle
 * (`execute`), postgres.js and Neon's tagged function, or any function that asks by itself.
 */
export function databaseCheck(db: unknown): Check | undefined {
  if (typeof db === "function") return tagged(db as (...given: unknown[]) => unknown);
  if (!isObject(db)) return undefined;
  const { prepare, query, execute } = db;
  if (typeof prepare === "function") return () => (prepare.call(db, ASK) as { first(): unknown }).first();
  if (typeof query === "function") return () => query.call(db, ASK) as unknown;
  if (typeof execute === "function") return () => execute.call(db, ASK) as unknown;
  return pinged(db);
}

/** A check of a Redis client (`ping`: ioredis, node-redis, Upstash), or of any function that asks by itself. */
export function cacheCheck(redis: unknown): Check | undefined {
  if (typeof redis === "function") return () => (redis as () => unknown)();
  return isObject(redis) ? pinged(redis) : undefined;
}

/**
 * Checks of the bindings that are R2 buckets and KV namespaces: a look at a key that need not be there.
 *
 * They are told by their class: a service binding answers to every method name there is.
 */
export function bindingChecks(env: Env): Map<string, Check> {
  const checks = new Map<string, Check>();
  for (const [name, binding] of Object.entries(env)) {
    if (!isObject(binding)) continue;
    const kind = classOf(binding);
    if (kind === "R2Bucket") checks.set(`storage:${name}`, () => (binding as unknown as { head(key: string): unknown }).head(KEY));
    if (kind === "KvNamespace") checks.set(`kv:${name}`, () => (binding as unknown as { get(key: string): unknown }).get(KEY));
  }
  return checks;
}

const KEY = "pitchey-slo-health";

function classOf(value: object): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  return isObject(prototype) && typeof prototype["constructor"] === "function" ? prototype["constructor"].name : undefined;
}

function pinged(client: Record<string, unknown>): Check | undefined {
  const { ping } = client;
  return typeof ping === "function" ? () => ping.call(client) as unknown : undefined;
}

/** Calls a function as the tagged template `SELECT 1`, which is a query to those who take one. */
function tagged(sql: (...given: unknown[]) => unknown): Check {
  const strings = Object.assign([ASK], { raw: [ASK] });
  return () => sql(strings);
}
