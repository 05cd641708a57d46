// One bar for each label set, the longest first.
import { h, put, text } from "../app/dom.js"
import { full } from "../app/format.js"
import { judged } from "./states.js"
import { ways } from "./number.js"
import { register } from "./register.js"

function draw(ctx, data) {
  const most = Math.max(...data.values.map((v) => Math.abs(v ?? 0)), 1e-12), link = ctx.links[0]
  put(ctx.el, h("div", { class: "scroll" }, h("div", { class: "bars", role: "list" }, data.labels.map((label, i) => {
    const value = data.values[i], found = judged(ctx.widget.thresholds, value)
    const parts = [h("span", { class: "name", title: text(label) }, label), h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill", style: { display: "block", width: `${(100 * Math.abs(value ?? 0)) / most}%`, "--c": found && found.state !== "ok" ? `var(--${found.state})` : "var(--line-0)" } })), h("span", {}, full(value, ctx.widget.unit, ctx.widget.decimals))]
    const labels = data.keys?.[i] ?? named(ctx, label)
    return h("div", { role: "listitem" }, link ? h("button", { type: "button", class: "one", title: text(link.title), onclick: () => ctx.follow(link, labels) }, parts) : h("div", { class: "one" }, parts))
  }))))
  if (link) ctx.note()
  else ways(ctx)
}

// The legend is one label most of the time: that label is what a click means.
function named(ctx, label) {
  const legend = ctx.widget.queries?.[0]?.legend ?? ""
  const only = /^\{\{\s*(\w+)\s*\}\}$/.exec(legend)
  const wanted = Object.values(ctx.links[0]?.with ?? {}).map((v) => /\{\{\s*(\w+)\s*\}\}/.exec(v)?.[1]).filter(Boolean)
  return Object.fromEntries([...(only ? [only[1]] : []), ...wanted, "label", "name"].map((name) => [name, label]))
}

register("bar", { draw, empty: (data) => !data.labels?.length })
