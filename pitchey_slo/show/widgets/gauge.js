// One number on a scale, with the bands of its thresholds.
import { put, s, h } from "../app/dom.js"
import { full, parts } from "../app/format.js"
import { ways } from "./number.js"
import { judged, worded } from "./states.js"
import { register } from "./register.js"

const START = -120, SWEEP = 240
const WORDS = { ok: "fine", warning: "warning", critical: "critical" }

function draw(ctx, data) {
  const { widget } = ctx, low = widget.min ?? 0, high = widget.max ?? Math.max(1, data.value ?? 0)
  const [value, unit] = parts(data.value, widget.unit, widget.decimals)
  const found = judged(widget.thresholds, data.value)
  const at = (v) => START + SWEEP * Math.min(1, Math.max(0, (v - low) / (high - low)))
  const bands = (widget.thresholds ?? []).map((t, i, all) => [t.value, all[i + 1]?.value ?? high, t.state]).filter(([from, to]) => to > from)
  const svg = s("svg", { class: "gauge", viewBox: "0 4 120 96", role: "img", "aria-label": `${widget.title}: ${full(data.value, widget.unit, widget.decimals)}${found ? `, ${found.text || WORDS[found.state]}` : ""}` },
    s("path", { d: arc(START, START + SWEEP, 46), fill: "none", style: { stroke: "var(--thinner)" }, "stroke-width": 9, "stroke-linecap": "round" }),
    bands.map(([from, to, kind]) => s("path", { d: arc(at(from) + 0.6, at(to) - 0.6, 53.5), fill: "none", style: { stroke: `var(--${kind})` }, "stroke-width": 2, opacity: 0.85 })),
    data.value === null ? null : s("path", { d: arc(START, Math.max(START + 0.5, at(data.value)), 46), fill: "none", style: { stroke: `var(--${found?.state ?? "accent"})` }, "stroke-width": 9, "stroke-linecap": "round" }),
    data.previous === null || data.previous === undefined ? null : s("path", { d: tick(at(data.previous)), style: { stroke: "var(--text)" }, "stroke-width": 1.6, opacity: 0.7 }, s("title", {}, `before: ${full(data.previous, widget.unit, widget.decimals)}`)),
    s("text", { x: 60, y: 62, "text-anchor": "middle", "font-size": 21, "font-weight": 600, "letter-spacing": -0.5 }, value),
    s("text", { x: 60, y: 74, "text-anchor": "middle", "font-size": 9, style: { fill: "var(--muted)" } }, unit),
    s("text", { x: 19, y: 98, "text-anchor": "middle", "font-size": 7.5, style: { fill: "var(--faint)" } }, full(low, widget.unit)),
    s("text", { x: 101, y: 98, "text-anchor": "middle", "font-size": 7.5, style: { fill: "var(--faint)" } }, full(high, widget.unit)))
  put(ctx.el, svg, h("div", { class: "verdict" }, data.value === null ? "no data" : found ? worded(found.state === "ok" ? found.text || "fine" : found.text || WORDS[found.state], found.state) : ""))
  ways(ctx)
}

const point = (degrees, r) => [60 + r * Math.sin((degrees * Math.PI) / 180), 60 - r * Math.cos((degrees * Math.PI) / 180)]

function arc(from, to, r) {
  const [x0, y0] = point(from, r), [x1, y1] = point(to, r)
  return `M${x0.toFixed(2)},${y0.toFixed(2)}A${r},${r} 0 ${to - from > 180 ? 1 : 0} 1 ${x1.toFixed(2)},${y1.toFixed(2)}`
}

function tick(degrees) {
  const [x0, y0] = point(degrees, 40.5), [x1, y1] = point(degrees, 51.5)
  return `M${x0.toFixed(2)},${y0.toFixed(2)}L${x1.toFixed(2)},${y1.toFixed(2)}`
}

register("gauge", { draw, empty: () => false })
