/** Business events: what a user did that the business counts. Never sampled. */

import { type BusinessRow, LONGEST, SOURCE, cut, jsonWithin } from "./rows";
import type { Trace } from "./trace";
import { scrubFields, scrubText } from "./scrub";
import { hex } from "./trace";

/** `value` with `currency`, who did it and where; everything else is kept as properties. */
export interface EventFields {
  /** An amount, in `currency` for money. */
  readonly value?: number;
  /** ISO 4217. */
  readonly currency?: string;
  /** Any stable name of the user, instead of the request's own; only its keyed hash leaves the Worker. */
  readonly user?: string | null;
  /** Country or region of the user, instead of the request's own. */
  readonly location?: string;
  readonly [property: string]: unknown;
}

/** The row of one event; `location` is where the request came from. */
export function businessRow(name: string, fields: EventFields, location: string | undefined, trace: Trace | undefined): BusinessRow {
  const { value, currency, user: _user, location: told, ...properties } = fields;
  return {
    ts: new Date().toISOString(),
    event: cut(scrubText(name), LONGEST.event) ?? "(unnamed)",
    user_hash: null,
    location: cut(typeof told === "string" ? scrubText(told) : location, LONGEST.location),
    value: typeof value === "number" && Math.abs(value) <= 1e15 ? value : null,
    currency: cut(typeof currency === "string" ? scrubText(currency) : null, LONGEST.currency),
    trace_id: trace?.traceId ?? null,
    properties: jsonWithin(scrubFields(properties), LONGEST.properties),
    sample_interval: 1,
    source: SOURCE,
    event_id: hex(16),
  };
}
