// Lines over time, with what they were before when the board is compared.
import { chart, faded, iso, layout, legend, line, marks, plain, spoken } from "../app/chart.js"
import { full } from "../app/format.js"
import { register } from "./register.js"

const last = (values) => values.findLast((v) => v !== null)

/** Draws series; `filled` for areas. Also used by area.js. */
export async function drawn(ctx, data, filled) {
  const c = ctx.colours, widget = ctx.widget, frame = layout(ctx, { values: span(ctx, data, filled) })
  const only = ctx.only && data.series.some((l) => l.name === ctx.only) ? ctx.only : null
  const x = data.times.map(iso)
  // a status that nobody was answered with is a line at nothing
  const some = data.series.filter((l) => l.values.some((v) => v))
  const lines = (some.length ? some : data.series).map((l, i) => ({ ...l, ...line(l.name, i, c) }))
  const traces = []
  for (const l of lines) {
    if (only && l.name !== only) continue
    const values = l.values
    traces.push({
      type: "scatter", mode: values.length === 1 ? "markers" : "lines", name: plain(l.name), x, y: values, connectgaps: false, line: { color: l.color, dash: l.dash, width: filled ? 1.2 : 1.8, shape: "linear" }, marker: { color: l.color, size: 5 },
      customdata: values.map((v) => full(v, widget.unit, widget.decimals)), hovertemplate: "%{customdata}",
      ...(filled && widget.stack && !only ? { stackgroup: "all", fillcolor: faded(l.color, 0.55) } : filled ? { fill: "tozeroy", fillcolor: faded(l.color, 0.16) } : {}),
    })
  }
  for (const l of data.compare ?? []) {
    const i = lines.findIndex((now) => now.name === l.name)
    if (only && l.name !== only) continue
    traces.push({ type: "scatter", mode: "lines", name: `${plain(l.name)}, before`, x, y: l.values, line: { color: faded(lines[i]?.color ?? c.lines[8], 0.6), dash: "dot", width: 1.4 }, customdata: l.values.map((v) => full(v, widget.unit, widget.decimals)), hovertemplate: "%{customdata}" })
  }
  for (const t of widget.thresholds ?? []) if (t.state !== "ok") frame.shapes.push({ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: t.value, y1: t.value, line: { color: faded(c[t.state], 0.8), width: 1, dash: "dash" } })
  marks(ctx, frame)
  limit(frame, widget, data, filled)
  const below = legend(ctx, lines.map((l) => ({ name: l.name, colour: l.color, dash: l.dash, value: last(l.values) })), widget.unit, only, (name) => {
    ctx.only = name
    drawn(ctx, data, filled)
  })
  below.append(spoken(ctx, ["Line", "now", "least", "most"], lines.map((l) => {
    const there = l.values.filter((v) => v !== null)
    return [l.name, ...[last(l.values), Math.min(...there), Math.max(...there)].map((v) => full(Number.isFinite(v) ? v : null, widget.unit, widget.decimals))]
  })))
  await chart(ctx, traces, frame, { below })
  ctx.note(data.left_out ? `${data.left_out} more lines` : "")
}

// What the axis must hold: all values, or their sums when they stand on each other.
function span(ctx, data, filled) {
  const all = [...data.series, ...(data.compare ?? [])].filter((l) => !ctx.only || l.name === ctx.only)
  if (!filled || !ctx.widget.stack || ctx.only) return all.flatMap((l) => l.values)
  return [...data.times.map((_, i) => data.series.reduce((sum, l) => sum + (l.values[i] ?? 0), 0)), ...(data.compare ?? []).flatMap((l) => l.values)]
}

// A threshold far above everything would flatten the lines: it is shown when they come near.
function limit(frame, widget, data, filled) {
  if (filled || widget.max !== undefined) return
  const most = Math.max(0, ...data.series.flatMap((l) => l.values.filter((v) => v !== null)))
  frame.shapes = frame.shapes.filter((shape) => shape.yref !== "y" || shape.y0 <= most * 1.6)
}

/** Whether there is nothing to draw. */
export const empty = (data) => !data.series?.length && !data.compare?.length

register("line", { draw: (ctx, data) => drawn(ctx, data, false), update: (ctx, data) => drawn(ctx, data, false), empty })
