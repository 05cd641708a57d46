/**
 * Watches invocations: begins one, keeps it while the handler runs, and sends what was said when the answer is on its
 * way. Nothing of it may delay an answer, change it, or throw into it; `safely` sees to the last.
 */

import { writePoints } from "./analytics";
import { type Ended, ended, requestRow, traced } from "./answer";
import { businessRow, type EventFields } from "./business";
import { Drops } from "./drops";
import { Health } from "./health";
import { Invocation } from "./invocation";
import { type Fields, type Log, logOf, logRow, print, wanted } from "./log";
import { type Options, type Settings, settingsOf } from "./options";
import { Routes } from "./route";
import { type Level, LONGEST, type LogRow, type Rows, cut, noRows } from "./rows";
import { builtInStorage, contextOf, type Env, envOf, isObject, pause, safely, type Storage, within } from "./runtime";
import { scrubText } from "./scrub";
import { traceparent } from "./trace";
import { userHash } from "./user";
import { Workbench } from "./workbench";

/** How long the user of a request may take to be found. */
const USER_MS = 1_000;
const MOST_OPEN = 1_000;

export class Monitor {
  readonly log: Log = logOf((level, message, fields) => this.say(level, message, fields, this.current()));
  readonly drops = new Drops();
  readonly workbench = new Workbench(this.drops);
  /** Requests and jobs whose rows are still to be sent. */
  pending = 0;
  private readonly health = new Health();
  private readonly routes = new Routes();
  private readonly open = new Set<Invocation>();
  private readonly told = new Set<string>();
  private readonly storage: Storage | undefined;
  private settings = new WeakMap<Env, Settings>();

  private env: Env = {};
  private db: unknown;
  private redis: unknown;
  private options: Options = {};

  constructor(storage: Storage | undefined) {
    this.storage = storage ?? builtInStorage();
  }

  /** Called again with newer bindings: clients of databases are often made anew for each request. */
  bind(env: unknown, db: unknown, redis: unknown, options: Options): void {
    this.env = isObject(env) ? env : {};
    this.db = db;
    this.redis = redis;
    this.options = options;
    this.settings = new WeakMap();
  }

  /** Runs `handle`, which serves `request`, and gives its answer with the trace id. */
  async watch(request: Request, given: readonly unknown[], routed: boolean, handle: () => unknown): Promise<unknown> {
    const outer = Invocation.of(request) ?? this.nested();
    if (outer) {
      outer.routed ||= routed;
      return handle();
    }
    const invocation = safely(() => this.begin(request, given));
    if (!invocation) return handle();
    invocation.routed = routed;
    const health = await this.healthAnswer(invocation);
    if (health) return health;
    let answer: unknown;
    try {
      answer = await this.running(invocation, handle);
    } catch (error) {
      safely(() => this.end(invocation, ended(undefined, error, routed)));
      throw error;
    }
    return safely(() => this.end(invocation, ended(answer, undefined, routed))) ?? answer;
  }

  /** Runs a scheduled or queued job: its lines and events are sent, and what it throws is logged. */
  async watchJob(name: string, given: readonly unknown[], handle: () => unknown): Promise<unknown> {
    const invocation = safely(() => this.begin(undefined, given));
    if (!invocation) return handle();
    try {
      return await this.running(invocation, handle);
    } catch (error) {
      safely(() => this.say("error", `${name} failed`, { error }, invocation));
      throw error;
    } finally {
      safely(() => this.close(invocation, { status: 200, answer: undefined, error: undefined, at: Date.now() }));
    }
  }

  /** What a handler threw, before anybody made an answer of it. */
  note(request: unknown, error: unknown): void {
    const invocation = Invocation.of(request) ?? this.nested();
    if (invocation) invocation.thrown ??= error;
  }

  say(level: Level, message: string | Error, fields: Fields | Error | undefined, invocation: Invocation | undefined): void {
    safely(() => {
      const settings = invocation?.settings ?? this.settingsFor(this.env);
      if (!wanted(level, settings.level)) return;
      const row = logRow(level, message, fields, settings.service, invocation?.trace);
      row.location = cut(invocation?.place.colo, LONGEST.location);
      if (settings.console) print(row);
      if (!settings.workbench) return;
      if (invocation) invocation.addLog(row);
      else this.workbench.add({ ...noRows(), logs: [row] });
    });
  }

  event(name: string, fields: EventFields, invocation: Invocation | undefined): void {
    safely(() => {
      const row = businessRow(String(name), fields, invocation?.place.country, invocation?.trace);
      const settings = invocation?.settings ?? this.settingsFor(this.env);
      if (invocation) invocation.addEvent(row, fields.user);
      else if (settings.workbench) this.workbench.add({ ...noRows(), business_events: [row] });
      if (!invocation && settings.points) writePoints(settings.points, [], [row], { points: 1 }, this.drops);
    });
  }

  /** The invocation that the running code belongs to; without storage only when there is no other it could be. */
  current(): Invocation | undefined {
    if (this.storage) return this.nested();
    return this.open.size === 1 ? [...this.open][0] : undefined;
  }

  private nested(): Invocation | undefined {
    const found = this.storage?.getStore();
    return found instanceof Invocation ? found : undefined;
  }

  private running(invocation: Invocation, handle: () => unknown): unknown {
    return this.storage ? this.storage.run(invocation, handle) : handle();
  }

  private begin(request: Request | undefined, given: readonly unknown[]): Invocation {
    const env = this.envFor(envOf(given));
    const settings = this.settingsFor(env);
    const part = request ? (safely(() => settings.sample(request)) ?? 1) : 1;
    const invocation = new Invocation(request, env, contextOf(given), settings, part, this.drops);
    invocation.onLate = () => this.late(invocation);
    this.open.add(invocation);
    // those that the runtime ended never closed
    if (this.open.size > MOST_OPEN) this.open.delete([...this.open][0] as Invocation);
    return invocation;
  }

  /** The bindings that came with the call, unless ours are not among them. */
  private envFor(given: Env | undefined): Env {
    return given && ("PITCHEY_SLO_URL" in given || "ANALYTICS_ENGINE" in given) ? given : Object.keys(this.env).length ? this.env : (given ?? this.env);
  }

  private settingsFor(env: Env): Settings {
    let settings = this.settings.get(env);
    if (!settings) {
      settings = settingsOf(this.options, env);
      this.settings.set(env, settings);
      for (const problem of settings.problems) this.tell(problem);
    }
    return settings;
  }

  /** Once per isolate. */
  private tell(problem: string): void {
    if (this.told.has(problem)) return;
    this.told.add(problem);
    console.warn(`pitchey_slo: ${problem}`);
  }

  private async healthAnswer(invocation: Invocation): Promise<Response | undefined> {
    const { health = {} } = this.options;
    if (!health || !invocation.request) return undefined;
    try {
      const answer = await this.health.answer(invocation.request, health, invocation.settings, invocation.env, this.db, this.redis);
      if (answer) this.open.delete(invocation);
      return answer;
    } catch {
      return undefined;
    }
  }

  /** The answer with the trace id, where it can carry one; all that is left is done after it. */
  private end(invocation: Invocation, how: Ended): Response | undefined {
    const error = how.error ?? (how.status >= 500 ? invocation.thrown : undefined);
    if (error !== undefined && how.status >= 500) {
      const text = error instanceof Error ? error : String(error);
      this.say("error", text, { error, status: how.status, method: invocation.request?.method }, invocation);
    }
    if (invocation.request && !how.answer && how.error === undefined && how.status === 500) {
      this.tell("a request got no answer, which users see as a 500; end the routes with a catch-all such as router.all('*', ...)");
    }
    this.close(invocation, how);
    return how.answer && traced(how.answer, invocation);
  }

  private close(invocation: Invocation, how: Ended): void {
    this.open.delete(invocation);
    const work = this.counted(this.finish(invocation, how));
    if (invocation.context) invocation.context.waitUntil(work);
    else this.tell("no execution context was given to the router or handler (request, env, ctx): rows may be lost");
  }

  private async finish(invocation: Invocation, how: Ended): Promise<void> {
    await pause(0); // the answer goes first
    const { request, part } = invocation;
    const route = request && this.routeOf(invocation, request, how.status);
    const user = await this.userOf(invocation);
    invocation.sealed = true;
    const rows = invocation.take();
    const failed = how.status >= 500;
    invocation.kept = failed || part >= 1 || Math.random() < part;
    invocation.weight = failed ? 1 : 1 / part;
    if (request && route !== undefined) rows.requests.push(requestRow(invocation, request, route, user, how));
    await this.send(rows, invocation, user, route);
  }

  /** Rows that came after the answer, as from the Worker's own `waitUntil`. */
  private late(invocation: Invocation): void {
    invocation.onLate = undefined; // one delivery takes all that come meanwhile
    const send = async (): Promise<void> => {
      await pause(0);
      invocation.onLate = () => this.late(invocation);
      const rows = invocation.take();
      await this.send(rows, invocation, await this.userOf(invocation), undefined);
    };
    const work = this.counted(send());
    safely(() => invocation.context?.waitUntil(work));
  }

  /** All of them as data points, and to the workbench what is kept of them, with its weight. */
  private async send(rows: Rows, invocation: Invocation, user: string | null, route: string | undefined): Promise<void> {
    const { settings, kept, weight } = invocation;
    await complete(rows, invocation, user, route);
    if (settings.points) writePoints(settings.points, rows.requests, rows.business_events, invocation.pointsLeft, this.drops);
    const grave = (row: LogRow): boolean => wanted(row.level, "warning");
    for (const row of rows.requests) row.sample_interval = weight;
    for (const row of rows.logs) if (!grave(row)) row.sample_interval = weight;
    const left = kept ? rows : { ...rows, requests: [], logs: rows.logs.filter(grave) };
    await this.workbench.deliver(left, settings);
  }

  /** Work that never fails, counted while it is under way. */
  private async counted(work: Promise<void>): Promise<void> {
    this.pending += 1;
    try {
      await work;
    } catch {
      // nobody could do anything about it, and the answer is gone
    } finally {
      this.pending -= 1;
    }
  }

  private routeOf(invocation: Invocation, request: Request, status: number): string {
    const own = safely(() => this.options.route?.(request));
    const matched = (request as { route?: unknown }).route;
    const pattern = own || (invocation.routed ? (typeof matched === "string" ? matched : null) : undefined);
    const route = safely(() => this.routes.of(request, status, pattern)) ?? "(unreadable)";
    return cut(scrubText(route), LONGEST.route) ?? "/";
  }

  private async userOf(invocation: Invocation): Promise<string | null> {
    const { request, env, settings } = invocation;
    if (!request || !this.options.user || !settings.userKey) return null;
    try {
      return await hashed(await within(Promise.resolve(this.options.user(request, env)), USER_MS), settings);
    } catch {
      return null;
    }
  }

  /** Headers for requests to other services, so that they are part of the same trace. */
  static traceparentOf(invocation: Invocation | undefined): string | undefined {
    return invocation && traceparent(invocation.trace);
  }
}

/** Users as hashes, and the route on log lines. */
async function complete(rows: Rows, invocation: Invocation, user: string | null, route: string | undefined): Promise<void> {
  for (const row of rows.business_events) {
    const own = invocation.users.get(row);
    row.user_hash = own === undefined ? user : await hashed(own, invocation.settings);
  }
  for (const row of rows.logs) {
    row.user_hash = user;
    row.route ??= route ?? null;
  }
}

async function hashed(user: string | null | undefined, settings: Settings): Promise<string | null> {
  return user && settings.userKey ? userHash(String(user), settings.userKey) : null;
}
