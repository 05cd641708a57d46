/**
 * What this module uses of the Workers runtime, in types of its own: it compiles beside Cloudflare's types and without.
 */

/** The third argument of a Worker's handlers. */
export interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

/** One row of Analytics Engine: one index, at most 20 blobs and 20 doubles. */
export interface DataPoint {
  indexes: string[];
  blobs: string[];
  doubles: number[];
}

/** A binding of Analytics Engine. */
export interface DataPoints {
  writeDataPoint(point: DataPoint): void;
}

/** Where a request came in, as far as the edge says so. */
export interface Place {
  readonly colo?: string | undefined;
  readonly country?: string | undefined;
}

/** The part of `AsyncLocalStorage` that is used. */
export interface Storage {
  run<T>(store: unknown, callback: () => T): T;
  getStore(): unknown;
}

export type Env = Readonly<Record<string, unknown>>;

/** `request.cf`, which local runs and tests may lack. */
export function placeOf(request: Request): Place {
  const cf = (request as { cf?: unknown }).cf;
  const { colo, country } = (isObject(cf) ? cf : {}) as Record<string, unknown>;
  return { colo: textOf(colo), country: textOf(country) };
}

/** The execution context among a handler's arguments, wherever it stands. */
export function contextOf(given: readonly unknown[]): Context | undefined {
  return given.find((a): a is Context => isObject(a) && typeof a["waitUntil"] === "function");
}

/** The bindings among a handler's arguments: the first object that is no execution context. */
export function envOf(given: readonly unknown[]): Env | undefined {
  const context: unknown = contextOf(given);
  return given.find((a): a is Env => isObject(a) && (a as unknown) !== context);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `value`, or an error when it takes longer than `ms` milliseconds. */
export async function within<T>(value: Promise<T>, ms: number): Promise<T> {
  let late = (): void => undefined;
  const limit = new Promise<never>((_, reject) => {
    late = () => reject(new Error(`no answer within ${ms} ms`));
  });
  const timer = setTimeout(() => late(), ms);
  try {
    return await Promise.race([value, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** `AsyncLocalStorage` where the runtime has it at hand: with the flag `nodejs_compat`. */
export function builtInStorage(): Storage | undefined {
  return safely(() => {
    const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage: new () => Storage } | undefined } };
    const found = process?.getBuiltinModule?.("node:async_hooks");
    return found && new found.AsyncLocalStorage();
  });
}

/** What `act` gives; undefined when it throws. */
export function safely<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
