// State of each component by location: colour, shape and word; a click says why.
import { dialog } from "../app/dialog.js"
import { h, put, text } from "../app/dom.js"
import { ago, exactly, full } from "../app/format.js"
import { shape, state, worded } from "./states.js"
import { register } from "./register.js"

const SHORT = { healthy: "ok", degraded: "slow", unhealthy: "down", unknown: "unknown" }

function draw(ctx, data) {
  const one = data.columns.length < 2
  put(ctx.el, h("div", { class: "scroll" }, h("table", { class: "matrix" },
    h("caption", { class: "unseen" }, ctx.widget.title),
    h("thead", { class: one ? "unseen" : "" }, h("tr", {}, h("td"), data.columns.map((c) => h("th", { scope: "col" }, c)))),
    h("tbody", {}, data.rows.map((name, i) => h("tr", {}, h("th", { scope: "row" }, name), data.columns.map((column, k) => h("td", {}, cell(ctx, name, column, data.cells[i][k])))))))))
  const found = data.cells.flat().filter(Boolean), count = (...states) => found.filter((c) => states.includes(c.state)).length
  const bad = count("unhealthy", "degraded"), dark = found.length - bad - count("healthy")
  ctx.note(bad ? worded(`${bad} not healthy`, "warning") : dark ? worded(`${dark} not known`, "unknown") : worded("all healthy", "ok"))
}

function cell(ctx, name, column, found) {
  if (!found) return h("span", { class: "cell none", title: "not checked from here" }, "·")
  const kind = state(found.state)
  const words = found.latency_ms !== null && found.latency_ms !== undefined && kind === "ok" ? full(found.latency_ms, "milliseconds") : SHORT[found.state] ?? text(found.state)
  return h("button", { type: "button", class: `cell ${kind}`, title: text(found.reason) === "–" ? null : text(found.reason), "aria-label": `${text(name)} ${text(column)}: ${text(found.state)}, ${words}`, onclick: () => told(ctx, name, column, found) }, shape(kind, 10), words)
}

function told(ctx, name, column, found) {
  const link = ctx.links[0]
  dialog(`${text(name)} · ${text(column)}`, h("div", { class: "form" }, h("p", {}, worded(found.state)), found.reason ? h("p", {}, found.reason) : null,
    h("dl", { class: "origin" }, [["latency", full(found.latency_ms, "milliseconds")], ["checked", `${ago(found.at)} (${exactly(found.at)})`], ["check", text(found.test)], ["failure", text(found.failure)]].map(([k, v]) => h("div", {}, h("small", {}, k), " ", v))),
    link ? h("a", { href: ctx.href(link, { component: name, location: column, test: found.test }) }, link.title) : null))
}

register("health", { draw, empty: (data) => !data.rows?.length })
