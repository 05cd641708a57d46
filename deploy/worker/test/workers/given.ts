/** What the tests give the Workers: databases that work, fail or hang, and what is written to Analytics Engine. */

export interface Vars {
  readonly DB?: "works" | "fails" | "hangs";
  readonly CACHE?: "works" | "fails" | "hangs";
}

function outcome(how: string | undefined, answer: unknown): Promise<unknown> {
  if (how === "fails") return Promise.reject(new Error("connection to app:hunter22@10.1.2.3:5432 refused"));
  return how === "hangs" ? new Promise(() => undefined) : Promise.resolve(answer);
}

/** A client as pg's. */
export function databaseOf(vars: Vars): unknown {
  return vars.DB && { query: (text: string) => outcome(text === "SELECT 1" ? vars.DB : "fails", { rows: [{ "?column?": 1 }] }) };
}

/** A client as ioredis's. */
export function cacheOf(vars: Vars): unknown {
  return vars.CACHE && { ping: () => outcome(vars.CACHE, "PONG") };
}

/** Keeps data points, and gives them on to the real binding, which takes them or throws. */
export class Recorder {
  readonly points: unknown[] = [];

  constructor(private readonly real: AnalyticsEngineDataset) {}

  writeDataPoint(point: AnalyticsEngineDataPoint): void {
    this.real.writeDataPoint(point);
    this.points.push(point);
  }
}
