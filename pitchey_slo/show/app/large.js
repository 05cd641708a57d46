// One widget, large: its numbers, where they come from, and the ways on.
import { dialog } from "./dialog.js"
import { h, put, text } from "./dom.js"
import { exactly, full } from "./format.js"
import { cardOf } from "./grid.js"
import { toast } from "./toast.js"

/** Shows `widget` over the page; {id, show(answer), close()}. */
export function enlarge(page, widget, answer, closed) {
  const card = cardOf(page, widget, { tall: true })
  const origin = h("div", { class: "origin" })
  const box = h("div", { class: "large" }, card.box)
  const links = (widget.links ?? []).map((link) => h("a", { class: "button", href: card.ctx.href(link), onclick: (event) => {
    event.preventDefault()
    shown.close()
    card.ctx.follow(link)
  } }, text(link.title)))
  const shown = dialog(widget.title || widget.id, [box, origin], { wide: true, actions: links, closed: () => {
    card.dispose()
    closed()
  } })
  const show = (now) => {
    card.show(now)
    put(origin, from(page, widget, now))
  }
  show(answer)
  return { id: widget.id, show, close: shown.close }
}

/** Where the numbers come from: the question as it was asked, what was read, how fresh it is. */
function from(page, widget, answer) {
  const data = answer.widgets?.[widget.id] ?? {}, asked = data.asked ?? []
  const rows = [
    ["as of", exactly(answer.watermark)],
    ["time", `${exactly(answer.range?.start)} to ${exactly(answer.range?.end)}, a point every ${full((answer.range?.step ?? 0) / 1000, "seconds")}`],
    data.read ? ["read", Object.entries(data.read).map(([k, v]) => `${k} ${typeof v === "number" ? v.toLocaleString("en-US") : text(v)}`).join(" · ")] : null,
    data.corrections ? ["corrections", text(data.corrections)] : null,
    widget.named ? ["question", `${widget.named}${Object.keys(widget.with ?? {}).length ? ` with ${JSON.stringify(widget.with)}` : ""}`] : null,
    data.sql ? ["SQL", h("code", {}, data.sql)] : null,
  ].filter(Boolean)
  return [
    widget.description ? h("p", {}, widget.description) : null,
    (widget.queries ?? []).map((query, i) => {
      const expr = asked[i]?.expr ?? asked[i] ?? filled(page, query.expr, answer)
      return h("div", { class: "query" }, h("code", {}, text(expr)),
        h("button", { type: "button", title: "For Grafana, the notebook (wb.promql) or pitchey-slo query", onclick: () => copied(expr) }, "Copy PromQL"))
    }),
    h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
  ]
}

async function copied(expr) {
  try {
    await navigator.clipboard.writeText(expr)
    toast("Copied.")
  } catch {
    toast(expr, { seconds: 20 })
  }
}

/** The expression as it was asked: choices as matchers, lengths of time as they hold. */
function filled(page, expr, answer) {
  const step = (answer.range?.step ?? 15000) / 1000, length = ((answer.range?.end ?? 0) - (answer.range?.start ?? 0)) / 1000
  const lengths = { __rate_interval: `${Math.max(300, step)}s`, __interval: `${step}s`, __range: `${Math.round(length)}s` }
  const chosen = Object.fromEntries((answer.variables ?? []).map((v) => [v.name, v.chosen ?? []]))
  const quoted = (value) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')
  const regex = (values) => (values[0] === "$all" ? ".*" : values.map((v) => v.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"))
  return expr.replace(/\$(__\w+)/g, (all, name) => lengths[name] ?? all)
    .replace(/(=~|!~|=|!=)\s*"\$(\w+)"/g, (all, op, name) => (chosen[name] ? `${op}"${quoted(op.endsWith("~") ? regex(chosen[name]) : chosen[name][0] ?? "")}"` : all))
}
