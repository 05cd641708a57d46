// Rows and columns; a click on a row follows the definition's link, a click on a head sorts.
import { h, put, text } from "../app/dom.js"
import { full, moment } from "../app/format.js"
import { state, worded } from "./states.js"
import { register } from "./register.js"

function draw(ctx, data) {
  const link = ctx.links[0], sort = ctx.sort
  const rows = sort === undefined ? data.rows : [...data.rows].sort((a, b) => order(a[sort.at], b[sort.at]) * sort.way)
  const head = data.columns.map((c, i) => h("th", { scope: "col", class: c.align, "aria-sort": sort?.at === i ? (sort.way > 0 ? "ascending" : "descending") : null },
    h("button", { type: "button", onclick: () => {
      ctx.sort = { at: i, way: sort?.at === i ? -sort.way : c.align === "right" ? -1 : 1 }
      draw(ctx, data)
    } }, text(c.label ?? c.name), sort?.at === i ? (sort.way > 0 ? " ↑" : " ↓") : "")))
  const body = rows.map((row) => {
    const labels = Object.fromEntries(data.columns.map((c, i) => [c.name, row[i]]))
    const go = () => ctx.follow(link, labels)
    const cells = data.columns.map((c, i) => h("td", { class: c.align }, cell(ctx, row[i], c)))
    return link ? h("tr", { tabindex: 0, title: text(link.title), onclick: (event) => event.target.closest("a") || go(), onkeydown: (event) => event.key === "Enter" && go() }, cells) : h("tr", {}, cells)
  })
  const place = ctx.el.querySelector(".scroll")?.scrollTop ?? 0
  put(ctx.el, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": text(ctx.widget.title) }, h("table", { class: "data" }, h("caption", { class: "unseen" }, ctx.widget.title), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body))))
  ctx.el.querySelector(".scroll").scrollTop = place
}

function cell(ctx, value, column) {
  if (value === null || value === undefined) return "–"
  if (column.unit === "time") return moment(value)
  if (column.unit === "state" || ["state", "verdict", "status", "severity"].includes(column.name)) return typeof value === "string" && state(value) !== "unknown" ? worded(value) : text(value)
  if (column.unit === "link" || column.name === "href" || (column.name === "report" && String(value).startsWith("/"))) return h("a", { href: String(value).startsWith("/") ? ctx.page.boot.api + value : value }, "open")
  return typeof value === "number" ? full(value, column.unit || "none") : text(value)
}

function order(a, b) {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1
  if (b === null || b === undefined) return -1
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })
}

register("table", { draw, empty: (data) => !data.rows?.length })
