// Alerts with what became of them; operators take them on, end and silence them, everyone may ask why.
import { ask, dialog, field } from "../app/dialog.js"
import { h, put, text } from "../app/dom.js"
import { ago, exactly, full, length, moment, when } from "../app/format.js"
import { toast } from "../app/toast.js"
import { pill, shape, state, worded } from "./states.js"
import { register } from "./register.js"

const NOISE = new Set(["alertname", "severity", "alertgroup"])
const KINDS = { critical: "critical", warning: "warning", info: "unknown" }

function draw(ctx, data) {
  const place = ctx.el.querySelector(".scroll")?.scrollTop ?? 0
  const short = ctx.widget.width < 7 && !ctx.tall
  put(ctx.el, h("div", { class: "scroll" }, h("div", { class: "items", role: "list" }, data.rows.map((alert) => item(ctx, alert, short)))))
  ctx.el.querySelector(".scroll").scrollTop = place
  ctx.note(data.firing === undefined ? "" : data.firing ? `${data.firing} ${data.firing === 1 ? "fires" : "fire"}` : "nothing fires")
}

function item(ctx, alert, short) {
  const over = alert.state === "resolved", kind = over ? "ok" : KINDS[alert.severity] ?? "unknown"
  const quiet = [alert.silenced_by?.length && "silenced", alert.inhibited_by?.length && "inhibited", alert.muted_by?.length && "muted"].filter(Boolean)
  const since = over ? `over since ${ago(alert.resolved_at)}` : `for ${length(Date.now() - (when(alert.fired_at ?? alert.active_at) ?? Date.now()))}`
  const may = ctx.may("operator")
  return h("div", { class: `item ${kind}`, role: "listitem", "data-alert": alert.id },
    h("div", { class: "top" }, pill(over ? "resolved" : alert.severity, kind), h("span", { class: "what" }, alert.annotations?.summary || alert.name),
      h("small", { title: exactly(alert.fired_at ?? alert.active_at) }, `${over ? "" : `${text(alert.state)} `}${since}`)),
    short && over ? null : h("div", { class: "top" },
      h("div", { class: "labels" }, Object.entries(alert.labels ?? {}).filter(([k]) => !NOISE.has(k)).slice(0, short ? 2 : 8).map(([k, v]) => h("span", { class: "label" }, `${k}=${v}`)),
        quiet.map((word) => h("span", { class: "label" }, word)), alert.acked_by ? h("span", { class: "label" }, `taken on by ${alert.acked_by}`) : null),
      h("div", { class: "spread" }),
      h("div", { class: "acts" },
        may && !over && !alert.acked_by ? h("button", { type: "button", onclick: () => acknowledge(ctx, alert) }, "Acknowledge") : null,
        may && !over ? h("button", { type: "button", onclick: () => silence(ctx, alert) }, "Silence") : null,
        may && !over && !short ? h("button", { type: "button", onclick: () => resolve(ctx, alert) }, "Resolve") : null,
        ctx.may("viewer") ? h("button", { type: "button", onclick: () => why(ctx, alert) }, "Why") : null)))
}

const comment = () => h("input", { name: "comment", maxlength: 1000, placeholder: "optional", autocomplete: "off" })

function acknowledge(ctx, alert) {
  ask(`Take on: ${alert.name}`, [field("Comment", comment())], async ({ comment }) => {
    await ctx.act("alert.acknowledge", { id: alert.id, comment })
    alert.acked_by = ctx.page.boot.me.name
    again(ctx)
    toast(`${alert.name} is yours: it escalates no further.`)
  }, { button: "Acknowledge", hint: "Its escalation stops; it goes on firing until its condition is over." })
}

function resolve(ctx, alert) {
  ask(`End: ${alert.name}`, [field("Comment", comment())], async ({ comment }) => {
    await ctx.act("alert.resolve", { id: alert.id, comment })
    alert.state = "resolved"
    alert.resolved_at = Date.now()
    again(ctx)
    toast(`${alert.name} is resolved.`)
  }, { button: "Resolve", hint: "A rule whose condition still holds begins it anew." })
}

function silence(ctx, alert) {
  const chosen = Object.entries(alert.labels ?? {}).filter(([k]) => k !== "severity")
  const boxes = chosen.map(([k, v]) => h("label", {}, h("input", { type: "checkbox", name: `m:${k}`, value: v, checked: true }), ` ${k} = ${v}`))
  const minutes = h("select", { name: "minutes" }, [[30, "30 minutes"], [60, "1 hour"], [240, "4 hours"], [1440, "1 day"], [10080, "1 week"]].map(([v, l]) => h("option", { value: v, selected: v === 60 }, l)))
  ask(`Silence: ${alert.name}`, [h("fieldset", {}, h("legend", {}, "Everything with"), boxes), field("For", minutes), field("Why", h("input", { name: "comment", required: true, maxlength: 1000, autocomplete: "off" }))], async (given) => {
    const matchers = Object.entries(given).filter(([k]) => k.startsWith("m:")).map(([k, v]) => `${k.slice(2)}=${JSON.stringify(v)}`)
    if (!matchers.length) throw new Error("Choose at least one label: a silence for everything would hide every alert.")
    await ctx.act("silence.create", { matchers, minutes: Number(given.minutes), comment: given.comment })
    alert.silenced_by = [...(alert.silenced_by ?? []), "new"]
    again(ctx)
    toast(`Silenced for ${length(given.minutes * 60000)}.`)
  }, { button: "Silence", hint: "It goes on being judged and shown; nobody is told of it meanwhile." })
}

const again = (ctx) => ctx.page.answer?.widgets?.[ctx.widget.id]?.rows && draw(ctx, ctx.page.answer.widgets[ctx.widget.id])

async function why(ctx, alert) {
  const body = h("div", { class: "form" }, h("p", { class: "hint" }, "Asking …"))
  dialog(`Why: ${alert.name}`, body, { wide: true })
  try {
    const found = await ctx.act("alert.why", { id: alert.id })
    put(body, told(ctx, found.alert, found.why))
  } catch (error) {
    put(body, h("p", { class: "words" }, error.message))
  }
}

function told(ctx, alert, found) {
  const steps = []
  const add = (at, words, kind, more) => when(at) !== null && steps.push({ at: when(at), words, kind, more })
  add(alert.active_at, "The condition of its rule began to hold", "warning")
  add(alert.fired_at, `It fired as ${alert.severity}`, KINDS[alert.severity])
  for (const event of found.events ?? []) add(event.ts ?? event.at, `${text(event.kind).replaceAll("_", " ")}${event.by ?? event.actor ? ` by ${text(event.by ?? event.actor)}` : ""}`, "ok", [event.comment, event.detail?.comment].filter(Boolean)[0])
  for (const step of found.decisions ?? []) add(step.ts ?? step.at, [text(step.outcome ?? step.decision ?? step.kind).replaceAll("_", " "), step.receiver ? ` → ${text(step.receiver)}` : ""].join(""), "unknown", step.reason ?? step.why ?? step.sentence)
  for (const note of found.notifications ?? []) add(note.sent_at ?? note.ts ?? note.created_at ?? note.at, `${text(note.channel ?? note.integration ?? note.receiver)}: ${text(note.state ?? note.status)}`, state(note.state ?? note.status) === "critical" ? "critical" : "ok", note.error ?? note.last_error ?? note.reason)
  add(alert.resolved_at, "Resolved", "ok")
  steps.sort((a, b) => a.at - b.at)
  const rule = alert.annotations ?? {}
  return [
    h("p", {}, worded(alert.state === "resolved" ? "resolved" : alert.severity), " ", h("b", {}, rule.summary || alert.name)),
    rule.description ? h("p", {}, rule.description) : null,
    found.sentence ? h("p", {}, found.sentence) : null,
    h("div", { class: "labels" }, Object.entries(alert.labels ?? {}).map(([k, v]) => h("span", { class: "label" }, `${k}=${v}`))),
    alert.value !== null && alert.value !== undefined ? h("p", { class: "hint" }, `Value: ${full(alert.value, "none")}`) : null,
    h("ol", { class: "timeline" }, steps.map((step) => h("li", { class: step.kind }, h("time", { datetime: new Date(step.at).toISOString(), title: exactly(step.at) }, moment(step.at)), h("div", {}, shape(step.kind, 10), " ", step.words, step.more ? h("div", { class: "muted" }, text(step.more)) : null)))),
    h("div", { class: "acts buttons" }, rule.runbook_url ? h("a", { class: "button", href: rule.runbook_url.startsWith("/") ? ctx.page.boot.api + rule.runbook_url : rule.runbook_url }, "Runbook") : null,
      h("a", { class: "button", href: `${ctx.page.boot.api}/alerts/${encodeURIComponent(alert.id)}` }, "Its own page")),
  ]
}

register("alerts", { draw, empty: (data) => !data.rows?.length })
