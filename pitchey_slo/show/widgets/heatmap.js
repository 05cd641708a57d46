// Colour by bucket and time: the darker, the more. Hover says the number.
import { chart, iso, layout, marks, plain, spoken } from "../app/chart.js"
import { h } from "../app/dom.js"
import { full } from "../app/format.js"
import { register } from "./register.js"

const LIGHT = [[0, "#f1f5f9"], [0.15, "#cfe3f3"], [0.4, "#84b8e0"], [0.7, "#2f7dbd"], [1, "#123f6b"]]
const DARK = [[0, "#1d2631"], [0.15, "#1f3f5c"], [0.4, "#2f6ea3"], [0.7, "#63aee8"], [1, "#d5ecfd"]]

async function draw(ctx, data) {
  const times = data.times?.length ? data.times.map(iso) : null
  const frame = layout(ctx, { unit: "none", times: Boolean(times) })
  const names = data.buckets.map((b) => shorter(plain(b), 26))
  const { range, tickmode, tickvals, ticktext, ...axis } = frame.yaxis
  frame.yaxis = { ...axis, type: "category", rangemode: "normal", showgrid: false, nticks: 12, autorange: times ? true : "reversed" }
  if (!times) frame.xaxis = { ...frame.xaxis, type: "category", showgrid: false, fixedrange: true, nticks: 24 }
  frame.hovermode = "closest"
  if (times) marks(ctx, frame)
  const trace = { type: "heatmap", x: times ?? data.columns.map(plain), y: names, z: data.values, colorscale: ctx.colours.dark ? DARK : LIGHT, showscale: false, hoverongaps: false, xgap: 1, ygap: 1, zmin: ctx.widget.min, zmax: ctx.widget.max,
    customdata: data.values.map((row) => row.map((v) => full(v, ctx.widget.unit, ctx.widget.decimals))), hovertemplate: "%{y}<br>%{x}<br>%{customdata}<extra></extra>" }
  const below = h("div", { class: "below" }, spoken(ctx, ["Bucket", "newest", "most"], names.map((name, i) => {
    const there = data.values[i].filter((v) => v !== null)
    return [name, full(there.at(-1), ctx.widget.unit), full(there.length ? Math.max(...there) : null, ctx.widget.unit)]
  })))
  await chart(ctx, [trace], frame, { zoom: Boolean(times), below })
}

const shorter = (name, most) => (name.length > most ? `${name.slice(0, most - 1)}…` : name)

register("heatmap", { draw, update: draw, empty: (data) => !data.buckets?.length || !data.values?.some((row) => row.some((v) => v !== null)) })
