/**
 * Takes secrets and personal data out of texts and trees before they leave the Worker.
 *
 * Keys decide first (`keys.ts`), then the values themselves (`values.ts`). What is found is masked, never hashed: the
 * workbench scrubs again with more rules when rows arrive. Fails closed: what cannot be looked at is not sent.
 */

import { masked, sensitive } from "./keys";
import { RULES } from "./values";

export { sensitive } from "./keys";

const DEEPEST = 6;
const MOST_VALUES = 500;
const LONGEST = 32_000;
/** Characters of all texts of one value: a Worker has few milliseconds of processor time. */
const MOST_TEXT = 64_000;
const FAILED = "[scrub_failed]";

/** `text` without what the rules know; at most 32,000 characters of it. */
export function scrubText(text: string): string {
  try {
    const whole = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
    const plain = apply(whole);
    if (!/[^\x00-\x7f]/.test(whole)) return plain;
    // full-width letters, look-alike spaces, zero-width signs: when only the plain form shows what it is, that is kept
    const folded = whole.normalize("NFKC").replace(/\p{Cf}/gu, "");
    const found = apply(folded);
    return found === folded ? plain : found;
  } catch {
    return FAILED;
  }
}

function apply(text: string): string {
  for (const rule of RULES) if (rule.hint(text)) text = rule.apply(text);
  return text;
}

/** A copy of any value as JSON has it, scrubbed: names that tell a secret lose their value, texts what the rules know. */
export function scrubValue(value: unknown): unknown {
  const left = { values: MOST_VALUES, text: MOST_TEXT };
  try {
    return tree(value, 0, left, new Set());
  } catch {
    return FAILED;
  }
}

/** The fields of an object, scrubbed. */
export function scrubFields(fields: object): Record<string, unknown> {
  const made = scrubValue(fields);
  return typeof made === "object" && made !== null && !Array.isArray(made) ? { ...made } : { value: made };
}

type Left = { values: number; text: number };

function tree(value: unknown, depth: number, left: Left, above: Set<object>): unknown {
  if (left.values-- <= 0) return "[more]";
  switch (typeof value) {
    case "string":
      left.text -= value.length;
      return left.text < 0 ? "[more]" : scrubText(value);
    case "number":
      return Number.isFinite(value) ? number(value) : String(value);
    case "boolean":
      return value;
    case "bigint":
      return scrubText(value.toString());
    case "object":
      return value === null ? null : object(value, depth, left, above);
    default:
      return undefined; // functions, symbols, undefined: as JSON has it
  }
}

/** A number, unless its digits are a card's. */
function number(value: number): unknown {
  if (!Number.isInteger(value) || Math.abs(value) < 1e12) return value;
  const text = String(value);
  const scrubbed = scrubText(text);
  return scrubbed === text ? value : scrubbed;
}

function object(value: object, depth: number, left: Left, above: Set<object>): unknown {
  if (depth >= DEEPEST) return "[deep]";
  if (above.has(value)) return "[circle]";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Error) return scrubText(`${value.name}: ${value.message}`);
  if (value instanceof URL || value instanceof RegExp) return scrubText(String(value));
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  above.add(value);
  try {
    const simple = simpler(value);
    return simple === value ? children(value, depth, left, above) : tree(simple, depth + 1, left, above);
  } finally {
    above.delete(value);
  }
}

/** What stands for an object: entries of headers, forms and maps, values of sets, or what its `toJSON` gives. */
function simpler(value: object): unknown {
  if (value instanceof Headers || value instanceof URLSearchParams || value instanceof Map) {
    return Object.fromEntries([...value].map(([key, v]) => [String(key), v as unknown]));
  }
  if (value instanceof Set) return [...value];
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === "function" ? (toJSON.call(value) as unknown) : value;
}

function children(value: object, depth: number, left: Left, above: Set<object>): unknown {
  if (Array.isArray(value)) return value.slice(0, MOST_VALUES).map((v: unknown) => tree(v, depth + 1, left, above) ?? null);
  const made = Object.create(null) as Record<string, unknown>; // so that a key __proto__ is one like any other
  for (const [key, v] of Object.entries(value)) {
    if (left.values <= 0) break;
    const secret = sensitive(key) && v !== null && v !== undefined && typeof v !== "boolean";
    made[scrubText(key.slice(0, 256))] = secret ? masked(key) : tree(v, depth + 1, left, above);
  }
  return made;
}
