// plotly.js in the house's colours: loaded when a chart first needs it, hover and time shared by all charts of a page.
import { exactly, full, moment } from "./format.js"
import { h, put } from "./dom.js"

let loading = null
const shown = new Set()

/** plotly.js, loaded once. */
export function plotly() {
  loading ??= new Promise((done, failed) => {
    if (window.Plotly) return done(window.Plotly)
    const script = document.createElement("script")
    script.src = `${JSON.parse(document.getElementById("boot").textContent).base}lib/plotly.min.js`
    script.onload = () => done(window.Plotly)
    script.onerror = () => failed(new Error("plotly.js did not load"))
    document.head.append(script)
  })
  return loading
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** The colours that hold now. */
export function colours() {
  const names = ["text", "muted", "thin", "card", "ok", "warning", "critical", "unknown", "accent"]
  const lines = Array.from({ length: 10 }, (_, i) => style(`--line-${i}`))
  return { ...Object.fromEntries(names.map((n) => [n, style(`--${n}`)])), lines, dark: document.documentElement.dataset.theme === "dark" }
}

/** Colour and dash of the line number `i`: after ten colours the next ten are dashed. */
export function line(name, i, c) {
  const class_ = /^([1-5])(\d\d|xx)$/.exec(name)?.[1]
  const meant = { 2: c.lines[2], 3: c.lines[5], 4: c.lines[1], 5: c.lines[4] }[class_] ?? { critical: c.critical, fatal: c.critical, error: c.lines[4], warning: c.lines[1], info: c.lines[0], debug: c.lines[8] }[name]
  return { color: meant ?? c.lines[i % c.lines.length], dash: ["solid", "dash", "dot", "dashdot"][Math.floor(i / c.lines.length) % 4] }
}

export const faded = (hex, alpha) => {
  const n = parseInt(hex.slice(1), 16)
  return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${alpha})`
}

/** The layout that every chart begins with. */
export function layout(ctx, { unit, min, max, values = [], times = true } = {}) {
  const c = ctx.colours, widget = ctx.widget
  const range = ctx.answer?.range
  const axis = { gridcolor: c.thin, zeroline: false, showline: false, ticks: "", automargin: true, tickfont: { size: 11, color: c.muted } }
  return {
    autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12, color: c.text },
    margin: { l: 8, r: 10, t: 8, b: 24 }, hovermode: times ? "x unified" : "closest", dragmode: times ? "zoom" : false,
    hoverlabel: { bgcolor: c.card, bordercolor: c.thin, font: { size: 12, color: c.text }, align: "left", namelength: 48 },
    xaxis: times ? { ...axis, type: "date", range: range ? [iso(range.start), iso(range.end)] : undefined, showgrid: false, hoverformat: "%a %d %b %H:%M:%S", tickformatstops: STOPS, nticks: 6 } : axis,
    yaxis: { ...axis, fixedrange: true, rangemode: "tozero", ...scale(unit ?? widget.unit, values, min ?? widget.min, max ?? widget.max) },
    transition: { duration: 0 }, shapes: [], annotations: [],
  }
}

export const iso = (ms) => new Date(ms).toISOString().replace("Z", "")
const STOPS = [{ dtickrange: [null, 60000], value: "%H:%M:%S" }, { dtickrange: [60000, 86400000], value: "%H:%M\n%e %b" }, { dtickrange: [86400000, null], value: "%e %b" }]

/** Range and ticks of an axis: round numbers of the unit, said as everywhere else. */
function scale(unit, values, min, max) {
  const low = min ?? Math.min(0, least(values)), high = max ?? (most(values) > low ? low + (most(values) - low) * 1.08 : low + 1)
  const step = round((high - low) / 5, unit), tickvals = []
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) tickvals.push(Math.abs(v) < step * 1e-6 ? 0 : v)
  return { range: [low, high], tickmode: "array", tickvals, ticktext: tickvals.map((v) => tick(v, unit, step)) }
}

const least = (values) => values.reduce((a, v) => (v !== null && v < a ? v : a), Infinity)
const most = (values) => values.reduce((a, v) => (v !== null && v > a ? v : a), -Infinity)

// steps that people count in: 1, 2, 5; of time also 15 s, 30 min, 6 h and such; of bytes powers of two
function round(raw, unit) {
  const factor = unit === "milliseconds" ? 1000 : unit === "days" ? 1 / 86400 : 1
  if (["seconds", "milliseconds", "days"].includes(unit) && raw / factor > 10) return (TIMES.find((t) => t * factor >= raw) ?? Math.ceil(raw / factor / 86400) * 86400) * factor
  if (unit === "bytes" && raw > 1) return 2 ** Math.ceil(Math.log2(raw))
  const power = 10 ** Math.floor(Math.log10(raw || 1))
  return [1, 2, 2.5, 5, 10].find((n) => n * power >= raw * 0.8) * power
}

const TIMES = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000]

function tick(value, unit, step) {
  if (value === 0 && unit !== "ratio" && unit !== "percent") return "0"
  const shown = unit === "ratio" ? step * 100 : step
  const decimals = ["ratio", "percent", "none", "short", "per_second", "per_minute", "burn", "money"].includes(unit) && Math.abs(value) < 1000 ? Math.max(0, (String(+(shown.toPrecision(3))).split(".")[1] ?? "").length) : null
  return full(value, unit, decimals).replace(/\.0+(?=\D|$)/, "")
}

/** Marks for what happened: deployments as lines, incidents as bands; their titles on hover above the plot. */
export function marks(ctx, into) {
  const c = ctx.colours, range = ctx.answer?.range
  for (const mark of ctx.answer?.annotations ?? []) {
    const colour = mark.kind === "incident" ? c.critical : c.accent
    const until = mark.until ?? (mark.kind === "incident" ? range?.end : null)
    if (until && until > mark.at) into.shapes.push({ type: "rect", layer: "below", xref: "x", yref: "paper", x0: iso(Math.max(mark.at, range.start)), x1: iso(Math.min(until, range.end)), y0: 0, y1: 1, fillcolor: faded(colour, 0.09), line: { width: 0 } })
    if (mark.at < range.start) continue
    into.shapes.push({ type: "line", xref: "x", yref: "paper", x0: iso(mark.at), x1: iso(mark.at), y0: 0, y1: 1, line: { color: faded(colour, 0.75), width: 1, dash: mark.kind === "incident" ? "solid" : "dot" } })
    into.annotations.push({ x: iso(mark.at), y: 1, xref: "x", yref: "paper", yanchor: "top", xanchor: "center", showarrow: false, text: mark.kind === "incident" ? "▲" : "◆", font: { size: 9, color: colour }, hovertext: `${plain(mark.title)}<br>${mark.kind}, ${moment(mark.at)}`, hoverlabel: { bgcolor: c.card, bordercolor: colour, font: { color: c.text } } })
  }
}

/** Text for plotly.js, which reads a few tags: none is left in it. */
export const plain = (value) => String(value ?? "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** Draw or renew a chart in `ctx.el`. `zoom`: dragging chooses a time. */
export async function chart(ctx, traces, frame, { zoom = true, below = null } = {}) {
  const Plotly = await plotly()
  let plot = ctx.el.querySelector(".plot")
  if (!plot) {
    plot = h("div", { class: "plot" })
    put(ctx.el, plot, below)
  } else if (below) {
    ctx.el.querySelector(".below")?.replaceWith(below)
  }
  if (!ctx.el.isConnected) return
  await Plotly.react(plot, traces, frame, { displayModeBar: false, responsive: false, scrollZoom: false, showTips: false, doubleClick: false })
  if (plot.dataset.heard) return
  plot.dataset.heard = "yes"
  shown.add(plot)
  watch.observe(plot)
  if (!zoom) return
  plot.on("plotly_relayout", (event) => {
    const [from, until] = [event["xaxis.range[0]"], event["xaxis.range[1]"]]
    if (from && until) ctx.go({ start: shortened(from), end: shortened(until), span: "" })
  })
  plot.on("plotly_doubleclick", () => ctx.go({ start: "", end: "", span: "" }))
  plot.on("plotly_hover", (event) => cursor(plot, event.points?.[0]?.x))
  plot.on("plotly_unhover", () => cursor(plot, null))
}

/** "2026-11-03 14:05:10.1234" as plotly.js says it, to the second, in UTC. */
const shortened = (text) => `${String(text).replace(" ", "T").slice(0, 19).padEnd(19, ":00")}Z`.replace(/T(\d\d:\d\d)Z$/, "T$1:00Z")

/** A thin line at the same moment in every other chart. */
function cursor(from, x) {
  for (const plot of shown) {
    let mark = plot.querySelector(":scope > .cursor")
    const axis = plot._fullLayout?.xaxis
    if (plot === from || x === null || x === undefined || !axis || axis.type !== "date") {
      if (mark) mark.hidden = true
      continue
    }
    const at = axis.d2p(x)
    if (!mark) plot.append((mark = h("div", { class: "cursor" })))
    mark.hidden = !(at >= 0 && at <= axis._length)
    mark.style.left = `${axis._offset + at}px`
    mark.style.top = `${plot._fullLayout._size.t}px`
    mark.style.height = `${plot._fullLayout._size.h}px`
  }
}

const watch = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) if (contentRect.width > 0 && contentRect.height > 0 && target._fullLayout) window.Plotly.Plots.resize(target)
})

/** Renew the sizes of the charts inside `box`: it was folded. */
export function resize(box) {
  for (const plot of shown) if (box.contains(plot) && plot.offsetWidth) window.Plotly.Plots.resize(plot)
}

/** Take down what was drawn in `el`. */
export function forget(el) {
  for (const plot of el.querySelectorAll(".plot")) {
    shown.delete(plot)
    watch.unobserve(plot)
    window.Plotly?.purge(plot)
  }
}

/** Names, colours and newest values below a chart; a click shows one line alone, another all. */
export function legend(ctx, lines, unit, only, choose) {
  if (lines.length < 2 && !ctx.tall) return h("div", { class: "below" })
  return h("div", { class: "below legend", role: "group", "aria-label": "Lines" }, lines.map(({ name, colour, dash, value }) =>
    h("button", { type: "button", "aria-pressed": String(only === name), title: name, onclick: () => choose(only === name ? null : name) },
      h("span", { class: `swatch ${dash}`, style: { "--c": colour } }), h("span", { class: "name" }, name), h("span", { class: "value" }, full(value, unit, ctx.widget.decimals)))))
}

/** The same numbers for those who do not see the picture. */
export function spoken(ctx, head, rows) {
  return h("table", { class: "unseen" }, h("caption", {}, `${ctx.widget.title}, as of ${exactly(ctx.answer?.watermark)}`),
    h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => (i ? h("td", {}, cell) : h("th", { scope: "row" }, cell)))))))
}
