// One number, what it was before, and a small line.
import { h, put, s, sign, text } from "../app/dom.js"
import { full, parts } from "../app/format.js"
import { judged, worded } from "./states.js"
import { register } from "./register.js"

const WORDS = { ok: "fine", warning: "warning", critical: "critical" }

function draw(ctx, data) {
  const { widget } = ctx, [value, unit] = parts(data.value, widget.unit, widget.decimals)
  const found = judged(widget.thresholds, data.value)
  const colour = found && found.state !== "ok" ? `var(--${found.state})` : null
  put(ctx.el,
    h("div", { class: "figure", style: colour ? { color: colour } : {} }, h("span", {}, value), h("span", { class: "unit" }, unit)),
    h("div", { class: "delta" }, found && found.state !== "ok" ? worded(found.text || WORDS[found.state], found.state) : delta(ctx, data)),
    spark(data.spark, colour ?? "var(--line-0)", widget.unit))
  ways(ctx)
}

function delta(ctx, data) {
  const { value, previous } = data
  const when = ctx.view.compare ? { "1d": "the day before", "1w": "the week before", "4w": "4 weeks before" }[ctx.view.compare] ?? "before" : "the time before"
  if (value === null || previous === null || previous === undefined) return ""
  if (previous === 0) return value === 0 ? ["as in ", when] : [h("b", {}, full(previous, ctx.widget.unit)), " in ", when]
  const change = (value - previous) / Math.abs(previous)
  if (Math.abs(change) < 0.005) return ["as in ", when]
  const words = Math.abs(change) >= 10 ? `${change > 0 ? "▲" : "▼"} from ${full(previous, ctx.widget.unit)}` : `${change > 0 ? "▲" : "▼"} ${(Math.abs(change) * 100).toFixed(Math.abs(change) < 0.1 ? 1 : 0)} %`
  return [h("b", {}, words), ` than ${when}`.replace("than", change > 0 ? "over" : "under")]
}

/** A small line that fills its place; gaps stay gaps. */
export function spark(data, colour, unit) {
  const values = data?.values ?? []
  const there = values.filter((v) => v !== null)
  const svg = s("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" })
  if (there.length < 2) return svg
  const low = Math.min(0, ...there), high = Math.max(...there, low + 1e-12)
  let line = "", area = "", open = null
  values.forEach((v, i) => {
    if (v === null) return (open = null)
    const x = (i / (values.length - 1)) * 100, y = 28 - ((v - low) / (high - low)) * 25
    line += `${open === null ? "M" : "L"}${x.toFixed(2)},${y.toFixed(2)}`
    area += open === null ? `${area ? "V30Z" : ""}M${x.toFixed(2)},30V${y.toFixed(2)}` : `L${x.toFixed(2)},${y.toFixed(2)}`
    open = x
  })
  svg.append(s("path", { d: `${area}V30Z`, style: { fill: colour, opacity: 0.13 } }), s("path", { d: line, fill: "none", style: { stroke: colour }, "stroke-width": 1.5, "vector-effect": "non-scaling-stroke", "stroke-linejoin": "round" }))
  svg.append(s("title", {}, `from ${full(there[0], unit)} to ${full(there.at(-1), unit)}`))
  return svg
}

/** The definition's ways on, beside the title. */
export function ways(ctx) {
  if (!ctx.links.length || ctx.el.closest(".editing")) return ctx.note()
  ctx.note(ctx.links.slice(0, 2).map((link) => h("a", { href: ctx.href(link), title: text(link.title), onclick: (event) => {
    if (event.metaKey || event.ctrlKey || event.button) return
    event.preventDefault()
    ctx.follow(link)
  } }, ctx.links.length > 1 || ctx.widget.width < 4 ? sign("link", 14) : text(link.title), h("span", { class: "unseen" }, text(link.title)))))
}

register("number", { draw, empty: () => false })
