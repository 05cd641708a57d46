/** Watches an itty-router, version 4 or 5: every request it handles, the route it matched, and what handlers throw. */

import type { Monitor } from "./monitor";
import { isObject } from "./runtime";

type Handler = (request: unknown, ...given: unknown[]) => unknown;

/** One route as itty-router keeps it: method, pattern as RegExp, handlers, pattern as text. */
type Entry = [method: string, match: RegExp, handlers: Handler[], path?: string];

/** Version 4 has `handle`, version 5 `fetch`; a property that is not the router's own would register a route. */
export function watchRouter(router: object, monitor: Monitor): void {
  const name = ["fetch", "handle"].find((n) => Object.hasOwn(router, n) && typeof (router as Record<string, unknown>)[n] === "function");
  if (!name) {
    console.warn("pitchey_slo: the router has neither fetch nor handle; use monitoring.wrap(handler)");
    return;
  }
  const original = (router as Record<string, Handler>)[name] as Handler;
  const watched = (request: Request, ...given: unknown[]): Promise<unknown> => {
    noteThrown(router, monitor);
    return monitor.watch(request, given, true, () => original.call(router, request, ...given));
  };
  for (const each of ["fetch", "handle"]) {
    Object.defineProperty(router, each, { value: watched, writable: true, configurable: true, enumerable: true });
  }
}

const wrapped = new WeakSet<Entry>();

/** Version 5 may make an answer of an error (`catch`, AutoRouter): what was thrown is seen in the handlers alone. */
function noteThrown(router: object, monitor: Monitor): void {
  const { routes } = router as { routes?: unknown };
  if (!Array.isArray(routes)) return;
  for (const entry of routes as Entry[]) {
    if (!isObject(entry) || wrapped.has(entry) || !Array.isArray(entry[2])) continue;
    wrapped.add(entry);
    entry[2] = entry[2].map((handler) => noting(handler, monitor));
  }
}

function noting(handler: Handler, monitor: Monitor): Handler {
  return (request, ...given) => {
    try {
      const made = handler(request, ...given);
      if (!(made instanceof Promise)) return made;
      return made.catch((error: unknown) => {
        monitor.note(request, error);
        throw error;
      });
    } catch (error) {
      monitor.note(request, error);
      throw error;
    }
  };
}
