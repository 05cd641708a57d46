/** Structured log lines: scrubbed where they are written, printed as JSON, kept for the delivery after the answer. */

import { type Level, LEVELS, LONGEST, type LogRow, SOURCE, cut, jsonWithin } from "./rows";
import { isObject } from "./runtime";
import { scrubFields, scrubText } from "./scrub";
import { hex, type Trace } from "./trace";

/** More about a line: `error`, `logger`, `route`, `status` and `duration_ms` have columns, the rest are attributes. */
export type Fields = Readonly<Record<string, unknown>>;

/** Writes one line; an error may stand in place of the text or of the fields. */
export type Write = (message: string | Error, fields?: Fields | Error) => void;

export interface Log {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly warning: Write;
  readonly error: Write;
  readonly critical: Write;
}

const LONGEST_STACK = 8_000;

export function logOf(write: (level: Level, message: string | Error, fields?: Fields | Error) => void): Log {
  const at = (level: Level): Write => (message, fields) => write(level, message, fields);
  return { debug: at("debug"), info: at("info"), warn: at("warning"), warning: at("warning"), error: at("error"), critical: at("critical") };
}

/** Whether lines of `level` are wanted when `lowest` is the lowest that are. */
export function wanted(level: Level, lowest: Level): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(lowest);
}

/** The row of one line, everything of it scrubbed. */
export function logRow(level: Level, message: string | Error, fields: Fields | Error | undefined, service: string, trace: Trace | undefined): LogRow {
  const { error, ...more } = asFields(message, fields);
  const { logger, route, status, duration_ms, ...rest } = scrubFields(more);
  const attributes = { ...rest, ...(error === undefined ? {} : { stack: stackOf(error) }) };
  return {
    ts: new Date().toISOString(),
    level,
    service,
    message: cut(scrubText(textOf(message)), LONGEST.message) ?? "(empty)",
    logger: cut(asText(logger), LONGEST.logger),
    route: cut(asText(route), LONGEST.route),
    status: Number.isInteger(status) ? within(status, 0, 999) : null,
    duration_ms: within(duration_ms, 0, 1e9),
    location: null,
    user_hash: null,
    trace_id: trace?.traceId ?? null,
    span_id: trace?.spanId ?? null,
    error_type: error === undefined ? null : cut(scrubText(typeOf(error)), LONGEST.errorType),
    attributes: jsonWithin(attributes, LONGEST.attributes),
    sample_interval: 1,
    source: SOURCE,
    event_id: hex(16),
  };
}

/** Prints a row as one line of JSON, what is missing left out. */
export function print(row: LogRow): void {
  const { source, event_id, sample_interval, attributes, ...shown } = row;
  const given = Object.entries(shown).filter(([, value]) => value !== null);
  const line = JSON.stringify({ ...Object.fromEntries(given), ...(attributes ? { attributes: JSON.parse(attributes) as unknown } : {}) });
  const method = row.level === "critical" ? "error" : row.level === "warning" ? "warn" : row.level;
  console[method](line);
}

function asFields(message: string | Error, fields: Fields | Error | undefined): Record<string, unknown> {
  const more: Record<string, unknown> = fields instanceof Error ? { error: fields } : isObject(fields) ? { ...fields } : {};
  if (message instanceof Error && more["error"] === undefined) more["error"] = message;
  if (more["error"] === null) delete more["error"];
  return more;
}

/** `TypeError: pitch is undefined`, or the text itself. */
export function textOf(message: unknown): string {
  return message instanceof Error ? `${typeOf(message)}: ${message.message}` : typeof message === "string" ? message : String(message);
}

function typeOf(error: unknown): string {
  return error instanceof Error ? error.name || error.constructor.name || "Error" : typeof error;
}

/** The stack of an error and of three causes before it, scrubbed. */
function stackOf(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 4; at = at instanceof Error ? at.cause : undefined) {
    const stack = at instanceof Error ? (at.stack ?? textOf(at)) : textOf(at);
    parts.push(parts.length ? `Caused by: ${stack}` : stack);
  }
  return cut(scrubText(parts.join("\n")), LONGEST_STACK) ?? "";
}

function asText(value: unknown): string | null {
  return typeof value === "string" ? value : value === undefined || value === null ? null : JSON.stringify(value);
}

function within(value: unknown, low: number, high: number): number | null {
  return typeof value === "number" && value >= low && value <= high ? value : null;
}
