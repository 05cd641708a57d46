/** What can be set, by the call or by variables of the Worker; a mistake is told on the console and costs nothing. */

import type { Check } from "./checks";
import { LEVELS, type Level } from "./rows";
import { type DataPoints, type Env, type Storage, isObject, textOf } from "./runtime";

/** Where requests and business events go. Log lines go to the workbench unless it is `analytics` alone. */
export type Destination = "workbench" | "analytics" | "both";

export interface Options {
  /** Address of the workbench. Variable PITCHEY_SLO_URL. */
  url?: string;
  /** A token of it with the scope `ingest`. Secret PITCHEY_SLO_TOKEN. */
  token?: string;
  /** Default: the workbench when its address is known, else Analytics Engine. Variable PITCHEY_SLO_DESTINATION. */
  destination?: Destination;
  /** Name of this Worker in log lines. Variable PITCHEY_SLO_SERVICE. */
  service?: string;
  /**
   * The part of requests sent to the workbench, above 0 up to 1 (default 1; variable PITCHEY_SLO_SAMPLE), or a function
   * of the request. Failures are always sent. Rows tell how many requests they stand for.
   */
  sample?: number | ((request: Request) => number);
  /** The lowest level of log lines that go anywhere. Default info. Variable PITCHEY_SLO_LEVEL. */
  level?: Level;
  /** Whether log lines are printed to the console as well, as JSON. Default true. */
  console?: boolean;
  /** Who asks: any stable name of the user, asked after the handler; only its keyed hash leaves the Worker. */
  user?: (request: Request, env: Env) => string | null | undefined | Promise<string | null | undefined>;
  /** The key of those hashes. Secret PITCHEY_SLO_USER_KEY. Without one there are none. */
  userKey?: string;
  /** The route pattern of a request, where you know it better than the router or the path. */
  route?: (request: Request) => string | null | undefined;
  /** Health routes; false for none. */
  health?: false | HealthOptions;
  /** How long, in milliseconds, rows wait for those of other requests, to be sent together. Default 0, at most 5000. */
  lingerMs?: number;
  /** How long one attempt to reach the workbench may take, in milliseconds. Default and most 5000. */
  timeoutMs?: number;
  /** An `AsyncLocalStorage`, where the runtime cannot give one by itself (without the flag `nodejs_compat`). */
  storage?: Storage;
}

export interface HealthOptions {
  /** Where the routes are. Default /api/health. */
  path?: string;
  /** How long a component may take to answer, in milliseconds. Default 2000. */
  timeoutMs?: number;
  /** How long an answer about a component is good for, in milliseconds. Default 2000. */
  keepMs?: number;
  /** More components: any function that fails when the component does. */
  checks?: Record<string, Check>;
  /** Who sends it sees latencies and reasons, others states alone. Secret PITCHEY_SLO_HEALTH_TOKEN. */
  token?: string;
}

/** Options and variables put together. */
export interface Settings {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly workbench: boolean;
  readonly points: DataPoints | undefined;
  readonly service: string;
  readonly sample: (request: Request) => number;
  readonly level: Level;
  readonly console: boolean;
  readonly userKey: string | undefined;
  readonly lingerMs: number;
  readonly timeoutMs: number;
  readonly healthToken: string | undefined;
  /** What is wrong with them, in sentences. */
  readonly problems: readonly string[];
}

const LOOPBACK = /^http:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::|\/|$)/;

/** The settings of this environment. Never throws: what cannot be meant is left at its default and told. */
export function settingsOf(options: Options, env: Env): Settings {
  const problems: string[] = [];
  const given = (name: string) => textOf(env[name])?.trim() || undefined;
  const url = addressOf(options.url ?? given("PITCHEY_SLO_URL"), problems);
  const token = options.token ?? given("PITCHEY_SLO_TOKEN");
  const points = dataPointsOf(env["ANALYTICS_ENGINE"]);
  const destination = destinationOf(options.destination ?? given("PITCHEY_SLO_DESTINATION"), url, problems);
  const workbench = destination !== "analytics" && url !== undefined && token !== undefined;
  const analytics = destination !== "workbench";
  if (url && !token && destination !== "analytics") problems.push("PITCHEY_SLO_TOKEN is not set: nothing is sent");
  if (!url && destination !== "analytics") problems.push("PITCHEY_SLO_URL is not set: nothing is sent to the workbench");
  if (analytics && !points) problems.push("ANALYTICS_ENGINE is no binding of Analytics Engine: no data points");
  return {
    url,
    token,
    workbench,
    points: analytics ? points : undefined,
    service: options.service ?? given("PITCHEY_SLO_SERVICE") ?? "pitchey-worker",
    sample: sampleOf(options.sample ?? given("PITCHEY_SLO_SAMPLE"), destination, problems),
    level: levelOf(options.level ?? given("PITCHEY_SLO_LEVEL"), problems),
    console: options.console ?? true,
    userKey: keyOf(options.userKey ?? given("PITCHEY_SLO_USER_KEY"), options, problems),
    lingerMs: bounded(options.lingerMs, 0, 5_000, 0),
    timeoutMs: bounded(options.timeoutMs, 10, 5_000, 5_000),
    healthToken: (options.health || undefined)?.token ?? given("PITCHEY_SLO_HEALTH_TOKEN"),
    problems,
  };
}

function addressOf(text: string | undefined, problems: string[]): string | undefined {
  if (text === undefined) return undefined;
  try {
    const url = new URL(text);
    if (!/^https?:$/.test(url.protocol)) throw new TypeError(url.protocol);
    if (url.protocol === "http:" && !LOOPBACK.test(url.href)) problems.push("PITCHEY_SLO_URL is http: the token can be read on the way");
    return url.origin + url.pathname.replace(/\/+$/, "");
  } catch {
    problems.push("PITCHEY_SLO_URL is no http address: nothing is sent to the workbench");
    return undefined;
  }
}

function destinationOf(text: string | undefined, url: string | undefined, problems: string[]): Destination {
  if (text === "workbench" || text === "analytics" || text === "both") return text;
  if (text !== undefined) problems.push(`PITCHEY_SLO_DESTINATION is ${JSON.stringify(text)}; it takes workbench, analytics, both`);
  return url ? "workbench" : "analytics";
}

/** Data points have no place for a weight of ours, and Analytics Engine samples by itself: beside it all rows are sent. */
function sampleOf(given: Options["sample"] | string, destination: Destination, problems: string[]): Settings["sample"] {
  if (given === undefined) return () => 1;
  if (destination === "both") {
    problems.push("sample has no effect with the destination both: the store would count requests twice");
    return () => 1;
  }
  if (typeof given === "function") return (request) => part(given(request)) ?? 1;
  const fixed = part(Number(given));
  if (fixed === undefined) problems.push(`PITCHEY_SLO_SAMPLE is ${JSON.stringify(given)}; it takes a number above 0, up to 1`);
  return () => fixed ?? 1;
}

/** A row stands for at most 10,000 requests. */
function part(number: number): number | undefined {
  return number > 0 && number <= 1 ? Math.max(number, 1e-4) : undefined;
}

function levelOf(text: string | undefined, problems: string[]): Level {
  const level = LEVELS.find((l) => l === (text?.toLowerCase() === "warn" ? "warning" : text?.toLowerCase()));
  if (text !== undefined && !level) problems.push(`PITCHEY_SLO_LEVEL is ${JSON.stringify(text)}; it takes ${LEVELS.join(", ")}`);
  return level ?? "info";
}

function keyOf(key: string | undefined, options: Options, problems: string[]): string | undefined {
  if (key !== undefined && key.length < 16) {
    problems.push("PITCHEY_SLO_USER_KEY is shorter than 16 characters and could be guessed: rows have no user_hash");
    return undefined;
  }
  if (key === undefined && options.user) problems.push("PITCHEY_SLO_USER_KEY is not set: rows have no user_hash");
  return key;
}

function bounded(value: number | undefined, low: number, high: number, otherwise: number): number {
  return value === undefined || Number.isNaN(value) ? otherwise : Math.min(high, Math.max(low, value));
}

function dataPointsOf(value: unknown): DataPoints | undefined {
  return isObject(value) && typeof value["writeDataPoint"] === "function" ? (value as unknown as DataPoints) : undefined;
}
