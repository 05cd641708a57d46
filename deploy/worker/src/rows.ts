/** Rows as the workbench's tables have them (`pitchey_slo/tables`), cut to the longest those columns take. */

export type Level = "debug" | "info" | "warning" | "error" | "critical";

export const LEVELS: readonly Level[] = ["debug", "info", "warning", "error", "critical"];

export interface RequestRow {
  ts: string;
  route: string;
  method: string;
  status: number;
  duration_ms: number | null;
  location: string | null;
  user_hash: string | null;
  trace_id: string;
  cache_status: string | null;
  bytes: number | null;
  sample_interval: number;
  source: string;
  event_id: string;
}

export interface BusinessRow {
  ts: string;
  event: string;
  user_hash: string | null;
  location: string | null;
  value: number | null;
  currency: string | null;
  trace_id: string | null;
  properties: string | null;
  sample_interval: number;
  source: string;
  event_id: string;
}

export interface LogRow {
  ts: string;
  level: Level;
  service: string;
  message: string;
  logger: string | null;
  route: string | null;
  status: number | null;
  duration_ms: number | null;
  location: string | null;
  user_hash: string | null;
  trace_id: string | null;
  span_id: string | null;
  error_type: string | null;
  attributes: string | null;
  sample_interval: number;
  source: string;
  event_id: string;
}

/** What goes out together, by table. */
export interface Rows {
  requests: RequestRow[];
  business_events: BusinessRow[];
  logs: LogRow[];
}

export type TableName = keyof Rows;

export const TABLES: readonly TableName[] = ["requests", "business_events", "logs"];

/** The `source` of every row: what Analytics Engine gives later has the same, so that the store keeps one of both. */
export const SOURCE = "worker";

export function noRows(): Rows {
  return { requests: [], business_events: [], logs: [] };
}

/** The longest text of a column, in characters; JSON columns are cut by `jsonWithin`. */
export const LONGEST = {
  route: 2_048,
  method: 32,
  location: 128,
  cache: 32,
  event: 128,
  currency: 8,
  message: 32_000,
  logger: 256,
  errorType: 256,
  service: 128,
  properties: 16_000,
  attributes: 32_000,
} as const;

/** At most `longest` characters of `text`, and null for none. */
export function cut(text: string | null | undefined, longest: number): string | null {
  if (text === null || text === undefined || text === "") return null;
  return text.length <= longest ? text : `${whole(text.slice(0, longest - 1))}…`;
}

/** An object as JSON text of at most `longest` characters: its longest values are left out, and named under `_cut`. */
export function jsonWithin(value: Record<string, unknown>, longest: number): string | null {
  const whole = JSON.stringify(value);
  if (whole.length <= longest) return whole === "{}" ? null : whole;
  const sizes = Object.entries(value).map(([key, v]) => ({ key, size: key.length + (JSON.stringify(v)?.length ?? 0) }));
  sizes.sort((a, b) => b.size - a.size);
  const without = new Set<string>();
  let left = whole.length;
  for (const { key, size } of sizes) {
    if (left <= longest - 2_000) break;
    without.add(key);
    left -= size;
  }
  const kept = Object.entries(value).filter(([key]) => !without.has(key));
  // names of twenty that are missing are within the 2,000
  return JSON.stringify({ ...Object.fromEntries(kept), _cut: [...without].slice(0, 20).map((key) => key.slice(0, 64)) });
}

/** Without half of a surrogate pair at the end. */
function whole(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}
