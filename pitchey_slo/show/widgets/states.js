// States told by colour, shape and word together.
import { h, s, text } from "../app/dom.js"

const SHAPES = { ok: ["circle", { cx: 6, cy: 6, r: 4.4 }], warning: ["path", { d: "M6 1.4 11 10.6H1Z" }], critical: ["path", { d: "M2 2h8v8H2Z" }], unknown: ["circle", { cx: 6, cy: 6, r: 3.8, fill: "none", stroke: "currentColor", "stroke-width": 1.6 }] }
const MEANS = {
  healthy: "ok", ok: "ok", up: "ok", resolved: "ok", pass: "ok", passed: "ok", success: "ok", succeeded: "ok", met: "ok", done: "ok",
  degraded: "warning", warning: "warning", at_risk: "warning", pending: "warning", acknowledged: "warning", slow: "warning", warn: "warning",
  unhealthy: "critical", critical: "critical", down: "critical", exhausted: "critical", firing: "critical", fail: "critical", failed: "critical", error: "critical", fatal: "critical",
}

/** One of ok, warning, critical, unknown for any word for a state. */
export const state = (word) => MEANS[String(word ?? "").toLowerCase()] ?? "unknown"

export function shape(kind, size = 12) {
  const [tag, attributes] = SHAPES[kind] ?? SHAPES.unknown
  return s("svg", { viewBox: "0 0 12 12", width: size, height: size, "aria-hidden": "true", fill: "currentColor" }, s(tag, attributes))
}

/** A sign and a word. */
export const worded = (word, kind = state(word)) => h("span", { class: `state ${kind}` }, shape(kind), text(word).replaceAll("_", " "))

/** The same as a pill. */
export const pill = (word, kind = state(word)) => h("span", { class: `pill ${kind}` }, shape(kind, 10), text(word).replaceAll("_", " "))

/** The threshold that holds for a value: {state, text}; null when there are none or no value. */
export function judged(thresholds, value) {
  if (value === null || value === undefined || !thresholds?.length) return null
  return thresholds.filter((t) => value >= t.value).at(-1) ?? null
}
