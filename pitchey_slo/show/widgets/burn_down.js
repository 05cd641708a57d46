// An error budget over its window: what is left of it, and where it leads if things go on like this.
import { chart, faded, iso, layout, marks, spoken } from "../app/chart.js"
import { h, text } from "../app/dom.js"
import { full } from "../app/format.js"
import { pill, state } from "./states.js"
import { register } from "./register.js"

async function draw(ctx, data) {
  const c = ctx.colours, left = data.spent.map((v) => (v === null ? null : 1 - v))
  const low = Math.min(0, ...left.filter((v) => v !== null))
  const frame = layout(ctx, { unit: "ratio", min: Math.max(-1, low * 1.1) - 0.03, max: 1.05 }), kind = data.state === "no_data" ? "unknown" : state(data.state)
  const colour = kind === "unknown" ? c.unknown : c[kind]
  const inverse = (values) => values.map((v) => (v === null ? null : 1 - v))
  frame.xaxis.range = [iso(data.start), iso(data.window_end ?? data.end)]
  const traces = []
  if (data.projected?.times?.length) {
    const x = data.projected.times.map(iso)
    traces.push({ type: "scatter", mode: "lines", x, y: inverse(data.projected.high), line: { width: 0 }, hoverinfo: "skip" },
      { type: "scatter", mode: "lines", x, y: inverse(data.projected.low), fill: "tonexty", fillcolor: faded(colour, 0.16), line: { width: 0 }, hoverinfo: "skip" })
  }
  traces.push({ type: "scatter", mode: "lines", name: "evenly spent", x: [iso(data.start), iso(data.window_end ?? data.end)], y: [1, 0], line: { color: faded(c.lines[8], 0.7), dash: "dot", width: 1 }, hoverinfo: "skip" },
    { type: "scatter", mode: "lines", name: "left", x: data.times.map(iso), y: left, line: { color: colour, width: 2 }, fill: "tozeroy", fillcolor: faded(colour, 0.13), customdata: left.map((v) => full(v, "ratio", 1)), hovertemplate: "%{customdata} left<extra></extra>" })
  frame.shapes.push({ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: faded(c.critical, 0.8), width: 1 } })
  marks({ ...ctx, colours: c, answer: { ...ctx.answer, range: { start: data.start, end: data.window_end ?? data.end } } }, frame)
  const below = h("div", { class: "below" }, h("p", { class: "delta" }, text(data.sentence)), spoken(ctx, ["", "left"], [["now", full(data.budget_left, "ratio", 1)]]))
  await chart(ctx, traces, frame, { zoom: false, below })
  ctx.note(text(data.display_name ?? data.slo), " ", pill(data.state, kind))
}

register("burn_down", { draw, update: draw, empty: (data) => !data.times?.length })
