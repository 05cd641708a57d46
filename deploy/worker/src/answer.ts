/** What users got: the status of an answer, its row, and the answer with the trace id. */

import type { Invocation } from "./invocation";
import { LONGEST, type RequestRow, SOURCE, cut } from "./rows";
import { isObject } from "./runtime";
import { hex, traceparent } from "./trace";

/** How an invocation ended. */
export interface Ended {
  readonly status: number;
  readonly answer: Response | undefined;
  readonly error: unknown;
  readonly at: number;
}

/**
 * What the user gets. An error with a status of its own, such as itty-router's StatusError, is made an answer of by
 * those around the router; any other is a 500, and so is no answer at all: the runtime makes one of it. Anything else
 * that a router gives is an answer yet to be made (`.then(json)`).
 */
export function ended(answer: unknown, error: unknown, routed: boolean): Ended {
  const at = Date.now();
  if (answer instanceof Response) return { status: answer.status, answer, error, at };
  if (error === undefined) {
    const none = answer === undefined || answer === null || !routed;
    return { status: none ? 500 : 200, answer: undefined, error, at };
  }
  const own = routed && isObject(error) ? error["status"] : undefined;
  const known = typeof own === "number" && Number.isInteger(own) && own >= 400 && own <= 599;
  return { status: known ? own : 500, answer: undefined, error, at };
}

export function requestRow(invocation: Invocation, request: Request, route: string, user: string | null, how: Ended): RequestRow {
  const headers = how.answer?.headers;
  const length = Number(headers?.get("content-length") ?? Number.NaN);
  return {
    ts: new Date(how.at).toISOString(),
    route,
    method: cut(request.method, LONGEST.method) ?? "GET",
    status: how.status,
    duration_ms: Math.max(0, how.at - invocation.startedAt),
    location: cut(invocation.place.colo, LONGEST.location),
    user_hash: user,
    trace_id: invocation.trace.traceId,
    cache_status: cut(headers?.get("cf-cache-status"), LONGEST.cache),
    bytes: Number.isSafeInteger(length) && length >= 0 && request.method !== "HEAD" ? length : null,
    sample_interval: 1,
    source: SOURCE,
    event_id: hex(16),
  };
}

/** The answer with `traceparent`; those of `fetch` are copied, since their headers cannot be changed. */
export function traced(answer: Response, invocation: Invocation): Response {
  if (answer.status === 101) return answer; // carries a WebSocket
  const value = traceparent(invocation.trace);
  try {
    answer.headers.set("traceparent", value);
    return answer;
  } catch {
    const copy = new Response(answer.body, answer);
    copy.headers.set("traceparent", value);
    return copy;
  }
}
