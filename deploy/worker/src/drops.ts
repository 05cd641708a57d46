/** Rows that were not sent, by reason: counted, told in the next delivery, and counted again when that fails too. */

export type Reason =
  | "too_many" // more rows in one invocation than are taken
  | "full" // so many rows waited to be sent that no more were taken
  | "unreachable" // no answer, twice
  | "refused" // the workbench does not take them
  | "cut"; // data points beyond the limits of Analytics Engine

export class Drops {
  /** Since the isolate began. */
  readonly total = new Map<Reason, number>();
  private untold = new Map<Reason, number>();

  add(reason: Reason, rows: number): void {
    if (rows <= 0) return;
    this.total.set(reason, (this.total.get(reason) ?? 0) + rows);
    this.untold.set(reason, (this.untold.get(reason) ?? 0) + rows);
  }

  /** What was not told yet; whoever takes it tells it, or gives it back. */
  take(): Map<Reason, number> {
    const taken = this.untold;
    this.untold = new Map();
    return taken;
  }

  giveBack(taken: ReadonlyMap<Reason, number>): void {
    for (const [reason, rows] of taken) this.untold.set(reason, (this.untold.get(reason) ?? 0) + rows);
  }
}

/** `12 rows were not sent, or not whole: unreachable 10, too_many 2`. */
export function told(drops: ReadonlyMap<Reason, number>): string {
  const sum = [...drops.values()].reduce((a, b) => a + b, 0);
  const each = [...drops].map(([reason, rows]) => `${reason} ${rows}`).join(", ");
  return `${sum} ${sum === 1 ? "row was" : "rows were"} not sent, or not whole: ${each}`;
}
