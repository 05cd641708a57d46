/**
 * Rows as data points of Analytics Engine, in the mapping of `config/analytics_engine.yml`, which the workbench pulls by.
 *
 *     request:   index route   blobs request, route, method, location, user_hash, trace_id, event_id, cache_status
 *                              doubles status, duration_ms, bytes
 *     business:  index event   blobs business, event, currency, location, user_hash, trace_id, event_id, properties
 *                              doubles value
 *
 * An empty blob is missing, and so is a double of -1 where a duration or bytes were not measured.
 */

import type { Drops } from "./drops";
import type { BusinessRow, RequestRow } from "./rows";
import type { DataPoint, DataPoints } from "./runtime";

/** Limits of Analytics Engine: points of one invocation, bytes of all blobs of a point, bytes of an index. */
export const MOST_POINTS = 25;
export const MOST_BLOB_BYTES = 16 * 1_024;
export const MOST_INDEX_BYTES = 96;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How many points one invocation may still write. */
export interface Left {
  points: number;
}

export function writePoints(to: DataPoints, requests: readonly RequestRow[], events: readonly BusinessRow[], left: Left, drops: Drops): void {
  const points = [...requests.map(requestPoint), ...events.map(businessPoint)];
  for (const point of points) {
    if (left.points <= 0) {
      drops.add("cut", 1);
      continue;
    }
    left.points -= 1;
    const fitted = fit(point);
    if (fitted !== point) drops.add("cut", 1);
    try {
      to.writeDataPoint(fitted);
    } catch {
      drops.add("cut", 1); // the runtime's own limits are narrower: the Worker wrote points of its own
    }
  }
}

export function requestPoint(row: RequestRow): DataPoint {
  return {
    indexes: [row.route],
    blobs: ["request", row.route, row.method, row.location, row.user_hash, row.trace_id, row.event_id, row.cache_status].map(text),
    doubles: [row.status, row.duration_ms ?? -1, row.bytes ?? -1],
  };
}

export function businessPoint(row: BusinessRow): DataPoint {
  return {
    indexes: [row.event],
    blobs: ["business", row.event, row.currency, row.location, row.user_hash, row.trace_id, row.event_id, row.properties].map(text),
    doubles: [row.value ?? 0],
  };
}

/** The point itself when it is within the limits; else its index cut, and its longest blob left out. */
export function fit(point: DataPoint): DataPoint {
  const index = point.indexes[0] ?? "";
  const sizes = point.blobs.map((blob) => encoder.encode(blob).length);
  const total = sizes.reduce((a, b) => a + b, 0);
  const short = encoder.encode(index).length <= MOST_INDEX_BYTES;
  if (short && total <= MOST_BLOB_BYTES) return point;
  const longest = total > MOST_BLOB_BYTES ? sizes.indexOf(Math.max(...sizes)) : -1;
  return {
    indexes: [short ? index : firstBytes(index, MOST_INDEX_BYTES)],
    blobs: point.blobs.map((blob, i) => (i === longest ? "" : blob)),
    doubles: point.doubles,
  };
}

function firstBytes(of: string, bytes: number): string {
  // a sign cut in two decodes as U+FFFD
  return decoder.decode(encoder.encode(of).slice(0, bytes)).replace(/\uFFFD+$/, "");
}

function text(value: string | null): string {
  return value ?? "";
}
