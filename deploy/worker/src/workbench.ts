/**
 * Sends rows to the workbench: one POST per table, NDJSON, one retry, bounded in rows waiting, time and number under way.
 *
 * Nothing here throws or is waited for by an answer. A delivery has an `Idempotency-Key` and each row an `event_id`, so
 * that a retry after a lost answer stores nothing twice. While as many deliveries are under way as may be, rows wait,
 * and go out together with the next: the more requests, the larger the deliveries.
 */

import { type Drops, type Reason, told } from "./drops";
import type { Settings } from "./options";
import { SOURCE, TABLES, type LogRow, type Rows, type TableName } from "./rows";
import { isObject, pause } from "./runtime";
import { hex } from "./trace";

/** Invocations of an isolate that send at once; each may be held up as long as two attempts take. */
const MOST_SENDERS = 6;
/** Characters of rows that may wait. */
const MOST_WAITING = 2_000_000;
/** With so many they wait no longer for others. */
const ENOUGH = 200_000;
/** For so long one invocation also sends what others left, in milliseconds: the runtime ends it 30 s after its answer. */
const SENDING_MS = 8_000;
/** A sender that began so long ago was ended by the runtime. */
const GONE_MS = 35_000;
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);

type Lines = Record<TableName, string[]>;

export class Workbench {
  sent = 0;
  retried = 0;
  private waiting = noLines();
  private size = 0;
  /** When those that send now began. */
  private senders: number[] = [];
  private carriedSince: number | undefined;
  private complained = false;

  constructor(private readonly drops: Drops) {}

  /** Takes rows, to be sent with the next delivery. */
  add(rows: Rows): void {
    for (const table of TABLES) {
      for (const row of rows[table]) {
        const line = JSON.stringify(row);
        if (this.size + line.length > MOST_WAITING) {
          this.drops.add("full", 1);
          continue;
        }
        this.size += line.length;
        this.waiting[table].push(line);
      }
    }
  }

  /** Takes rows; ends when they are sent or lost, or when another invocation is there to send them. */
  async deliver(rows: Rows, settings: Settings): Promise<void> {
    if (!settings.workbench) return;
    this.add(rows);
    if (settings.lingerMs && this.size < ENOUGH) {
      const now = Date.now();
      // whoever waits may be ended by the runtime: after a second more another waits instead
      if (this.carriedSince !== undefined && now - this.carriedSince < settings.lingerMs + 1_000) return;
      this.carriedSince = now;
      await pause(settings.lingerMs);
      this.carriedSince = undefined;
    }
    const began = Date.now();
    this.senders = this.senders.filter((other) => began - other < GONE_MS);
    if (this.senders.length >= MOST_SENDERS) return;
    this.senders.push(began);
    try {
      while (this.size && Date.now() - began < SENDING_MS) await this.send(settings);
    } finally {
      const at = this.senders.indexOf(began);
      if (at >= 0) this.senders.splice(at, 1);
    }
  }

  /** Sends all that waits; the log lines also say what was dropped before. */
  private async send(settings: Settings): Promise<void> {
    const lines = this.waiting;
    this.waiting = noLines();
    this.size = 0;
    const taken = this.drops.take();
    if (taken.size) lines.logs.push(JSON.stringify(dropped(taken, settings)));
    const own = (table: TableName) => (table === "logs" && taken.size ? 1 : 0);
    const stored = await Promise.all(TABLES.map((table) => this.sendTable(table, lines[table], settings, own(table))));
    if (!stored[TABLES.indexOf("logs")]) this.drops.giveBack(taken);
  }

  /** True when the rows are stored, or there were none. `own` of them are ours and no loss to anybody. */
  private async sendTable(table: TableName, lines: readonly string[], settings: Settings, own: number): Promise<boolean> {
    if (!lines.length) return true;
    const path = `/api/monitoring/events${table === "requests" ? "" : `/${table}`}`;
    const failed = await this.tried(settings.url + path, lines.join("\n"), settings);
    if (failed === undefined) this.sent += lines.length - own;
    else this.drops.add(failed, lines.length - own);
    return failed === undefined;
  }

  /** Undefined when stored, else why not. */
  private async tried(url: string, body: string, settings: Settings): Promise<Reason | undefined> {
    const key = hex(16);
    for (let attempt = 0; ; attempt++) {
      const wait = await this.once(url, body, key, settings);
      if (wait === undefined) return undefined;
      if (wait === "refused") return "refused";
      if (attempt) return "unreachable";
      this.retried += 1;
      await pause(wait);
    }
  }

  /** One attempt: undefined when stored, milliseconds to wait before another, or refused. */
  private async once(url: string, body: string, key: string, settings: Settings): Promise<undefined | number | "refused"> {
    const again = 200 + 400 * Math.random();
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: {
          authorization: `Bearer ${settings.token}`,
          "content-type": "application/x-ndjson",
          "idempotency-key": key,
          "user-agent": "pitchey-slo-worker",
        },
        body,
        redirect: "manual", // a token goes to no other address
        signal: AbortSignal.timeout(settings.timeoutMs),
      });
      const text = await answer.text();
      if (answer.ok) return this.checked(text);
      if (RETRIED.has(answer.status)) return Math.min(1_000 * Number(answer.headers.get("retry-after") ?? 0) || again, 5_000);
      this.complain(`${answer.status} ${text.slice(0, 200)}`);
      return "refused";
    } catch {
      return again;
    }
  }

  /** An answer that rows are stored; those refused alone are counted. */
  private checked(text: string): undefined | "refused" {
    try {
      const answer: unknown = JSON.parse(text);
      if (!isObject(answer) || typeof answer["stored"] !== "number") throw new TypeError("no receipt");
      const refused = Number(answer["rejected"] ?? 0);
      if (refused) {
        this.drops.add("refused", refused);
        this.sent -= refused;
        this.complain(text.slice(0, 300));
      }
      return undefined;
    } catch {
      this.complain("an answer that is no receipt; is PITCHEY_SLO_URL the workbench's address?");
      return "refused";
    }
  }

  /** Once per isolate: the reason is the same for all that follow. */
  private complain(why: string): void {
    if (this.complained) return;
    this.complained = true;
    console.warn(`pitchey_slo: the workbench refused rows: ${why}`);
  }
}

function noLines(): Lines {
  return { requests: [], business_events: [], logs: [] };
}

function dropped(drops: ReadonlyMap<Reason, number>, settings: Settings): LogRow {
  return {
    ts: new Date().toISOString(),
    level: "warning",
    service: settings.service,
    message: told(drops),
    logger: "pitchey_slo.worker",
    route: null,
    status: null,
    duration_ms: null,
    location: null,
    user_hash: null,
    trace_id: null,
    span_id: null,
    error_type: null,
    attributes: JSON.stringify({ dropped: Object.fromEntries(drops) }),
    sample_interval: 1,
    source: SOURCE,
    event_id: hex(16),
  };
}
