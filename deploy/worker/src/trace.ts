/** W3C trace context: the ids under which one request's rows are found together. */

export interface Trace {
  /** 32 hex digits: of the caller, or made here. */
  readonly traceId: string;
  /** 16 hex digits, made here: this Worker's own part. */
  readonly spanId: string;
}

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The caller's trace with a span of our own; a new trace when the header is absent or is not one. */
export function traceOf(request: Request): Trace {
  return { traceId: callersTrace(request.headers.get("traceparent")) ?? hex(16), spanId: hex(8) };
}

/** The trace id of a `traceparent` header. Version ff, all zeros, and a version 00 with more after it are none. */
export function callersTrace(header: string | null): string | undefined {
  const found = PARENT.exec(header?.trim() ?? "");
  if (!found) return undefined;
  const [, version, traceId, spanId, , more] = found;
  if (version === "ff" || (version === "00" && more)) return undefined;
  return /[^0]/.test(traceId ?? "") && /[^0]/.test(spanId ?? "") ? traceId : undefined;
}

/** What to send on to other services. */
export function traceparent(trace: Trace): string {
  return `00-${trace.traceId}-${trace.spanId}-01`;
}

/** So many random bytes as hex digits. */
export function hex(bytes: number): string {
  let text = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(bytes))) text += byte.toString(16).padStart(2, "0");
  return text;
}
