/** What one request, or one scheduled or queued job, says until its rows go out together. */

import type { Left } from "./analytics";
import { MOST_POINTS } from "./analytics";
import type { Drops } from "./drops";
import { wanted } from "./log";
import type { Settings } from "./options";
import { type BusinessRow, type LogRow, type Rows, noRows } from "./rows";
import { type Context, type Env, type Place, placeOf } from "./runtime";
import { hex, type Trace, traceOf } from "./trace";

/** Log lines and business events of one invocation, and errors beyond them; more are dropped and counted. */
const MOST_ROWS = 200;
const MOST_ERRORS = 20;

/** Where an invocation is found on its request: a copy of the request has none, a router's proxy of it has. */
const MARK = Symbol("pitchey_slo");

export class Invocation {
  readonly startedAt = Date.now();
  readonly trace: Trace;
  readonly place: Place;
  /** The user of an event where it is not the request's own. */
  readonly users = new Map<BusinessRow, string | null>();
  readonly pointsLeft: Left = { points: MOST_POINTS };
  /** Whether a router was asked, so that no matched route is one too. */
  routed = false;
  /** What a handler threw, be it answered by others or not. */
  thrown: unknown;
  /** The request's rows went out; what comes now goes out by itself. */
  sealed = false;
  /** Whether its rows are sent, as its ending and its part say, and for how many each of them stands. */
  kept = true;
  weight = 1;
  onLate: (() => void) | undefined;
  private rows = noRows();

  constructor(
    readonly request: Request | undefined,
    readonly env: Env,
    readonly context: Context | undefined,
    readonly settings: Settings,
    /** The part of such requests that is sent. */
    readonly part: number,
    private readonly drops: Drops,
  ) {
    this.trace = request ? traceOf(request) : { traceId: hex(16), spanId: hex(8) };
    this.place = request ? placeOf(request) : {};
    if (request) Object.defineProperty(request, MARK, { value: this, configurable: true });
  }

  static of(request: unknown): Invocation | undefined {
    const found = typeof request === "object" && request !== null ? (request as { [MARK]?: unknown })[MARK] : undefined;
    return found instanceof Invocation ? found : undefined;
  }

  addLog(row: LogRow): void {
    this.add("logs", row, wanted(row.level, "error") ? MOST_ROWS + MOST_ERRORS : MOST_ROWS);
  }

  addEvent(row: BusinessRow, user: string | null | undefined): void {
    if (user !== undefined) this.users.set(row, user);
    this.add("business_events", row, MOST_ROWS);
  }

  /** What was said since the last time. */
  take(): Rows {
    const taken = this.rows;
    this.rows = noRows();
    return taken;
  }

  private add(table: "logs" | "business_events", row: LogRow | BusinessRow, most: number): void {
    if (this.rows.logs.length + this.rows.business_events.length >= most) {
      this.drops.add("too_many", 1);
      return;
    }
    (this.rows[table] as (LogRow | BusinessRow)[]).push(row);
    if (this.sealed) this.onLate?.();
  }
}
