// Log lines, the newest first: search, levels, and the way to all lines of one trace.
import { dialog } from "../app/dialog.js"
import { h, put, text } from "../app/dom.js"
import { exactly, full, moment } from "../app/format.js"
import { state } from "./states.js"
import { register } from "./register.js"

const LEVELS = { error: "critical", fatal: "critical", critical: "critical", warning: "warning", warn: "warning", info: "ok", debug: "unknown" }

function draw(ctx, data) {
  const place = ctx.el.querySelector(".scroll")?.scrollTop ?? 0
  const typing = ctx.el.contains(document.activeElement) && document.activeElement?.type === "search"
  const list = h("div", { class: "scroll logs", role: "log", "aria-live": "off", tabindex: 0, "aria-label": ctx.widget.title }, data.rows.map((row) => line(ctx, row)))
  if (typing) ctx.el.querySelector(".scroll")?.replaceWith(list)
  else put(ctx.el, tools(ctx, data), list)
  list.scrollTop = place
  ctx.note(data.total === undefined ? "" : `${full(data.total, "short")} lines`)
}

/** The names of this board's variables that a log search may set. */
const named = (ctx, ...names) => (ctx.answer?.variables ?? []).map((v) => v.name).find((name) => names.includes(name))

function tools(ctx, data) {
  const search = named(ctx, "search", "text", "q"), level = named(ctx, "level"), trace = named(ctx, "trace", "trace_id")
  if (!search && !level && !trace) return null
  const set = (name, value) => {
    const variables = { ...ctx.view.variables }
    if (value) variables[name] = [value]
    else delete variables[name]
    ctx.go({ variables })
  }
  const input = search ? h("input", { type: "search", placeholder: "Search the messages", "aria-label": "Search the messages", value: ctx.view.variables[search]?.[0] ?? "" }) : null
  input?.addEventListener("keydown", (event) => event.key === "Enter" && set(search, input.value.trim()))
  input?.addEventListener("search", () => set(search, input.value.trim()))
  const now = ctx.view.variables[level]?.[0]
  const levels = level ? Object.entries(data.levels ?? {}).map(([name, count]) => h("button", { type: "button", "aria-pressed": String(now === name), class: now === name ? "primary" : `quiet ${LEVELS[name] ?? "unknown"}`, onclick: () => set(level, now === name ? "" : name) }, `${name} ${full(count, "short")}`)) : null
  const following = trace && ctx.view.variables[trace]?.[0] ? h("button", { type: "button", class: "primary", onclick: () => set(trace, "") }, `trace ${ctx.view.variables[trace][0].slice(0, 12)} ✕`) : null
  return h("div", { class: "tools" }, input, levels, following)
}

function line(ctx, row) {
  const kind = LEVELS[String(row.level).toLowerCase()] ?? state(row.level)
  return h("button", { type: "button", class: `logline ${kind}`, onclick: () => open(ctx, row) },
    h("span", { class: "time" }, moment(row.ts)), h("span", { class: "level" }, text(row.level)), h("span", { class: "service" }, text(row.service)), h("span", { class: "message" }, text(row.message)))
}

function open(ctx, row) {
  const name = named(ctx, "trace", "trace_id")
  const to = row.trace_id ? ctx.href({ to: "logs", with: { [name ?? "trace"]: "{{trace_id}}" } }, row) : null
  let extra = {}
  try { extra = JSON.parse(row.attributes ?? "{}") ?? {} } catch { extra = { attributes: row.attributes } }
  const fields = Object.entries({ ...row, attributes: undefined, message: undefined, ts: undefined, ...extra }).filter(([, v]) => v !== null && v !== undefined && v !== "")
  dialog(`${text(row.level)} · ${text(row.service)} · ${exactly(row.ts)}`, h("div", { class: "form" }, h("p", { class: "mono", style: { "white-space": "pre-wrap", "overflow-wrap": "anywhere" } }, text(row.message)),
    h("table", { class: "data" }, h("tbody", {}, fields.map(([k, v]) => h("tr", {}, h("th", { scope: "row" }, k), h("td", { class: "mono" }, typeof v === "object" ? JSON.stringify(v) : text(v)))))),
    to ? h("a", { class: "button primary", href: to }, "All lines of this trace") : null), { wide: false })
}

register("logs", { draw, empty: (data, ctx) => !data.rows?.length && !tools(ctx, data) })
