// The review meeting: alert rules, the loudest first; beside them what other numbers of the chosen one would have done.
import { ask, field } from "../app/dialog.js"
import { h, put, text } from "../app/dom.js"
import { ago, length, moment } from "../app/format.js"
import { toast } from "../app/toast.js"
import { pill, worded } from "./states.js"
import { register } from "./register.js"
import { sliders } from "./whatif.js"

const KINDS = { critical: "critical", warning: "warning", info: "unknown" }
const DECIDED = { decided: "warning", applied: "ok", reverted: "unknown" }

// What is chosen stands behind the # of the address, so that a link shows what its sender saw.
const chosen = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)))
const choose = (given) => history.replaceState(history.state, "", `${location.pathname}${location.search}#${new URLSearchParams(given)}`)

function draw(ctx, data) {
  const side = h("div", { class: "review-side" })
  ctx.list = h("div", { class: "review-list scroll", role: "listbox", "aria-label": "Alert rules" })
  put(ctx.el, h("div", { class: "review" }, ctx.list, side))
  ctx.side = side
  ctx.data = data
  list(ctx)
  const wanted = data.rules.find((rule) => rule.key === chosen().rule) ?? data.rules[0]
  if (wanted) open(ctx, wanted, chosen().rule === wanted.key ? chosen() : {})
}

function update(ctx, data) {
  ctx.data = data
  list(ctx)
  const rule = data.rules.find((each) => each.key === ctx.rule?.key)
  if (rule) decisions(ctx, rule)
}

function list(ctx) {
  const place = ctx.list.scrollTop
  put(ctx.list, ctx.data.rules.map((rule) => h("button", { type: "button", class: "review-rule", role: "option", "aria-selected": String(rule.key === ctx.rule?.key), title: text(rule.summary), onclick: () => open(ctx, rule, {}) },
    h("span", { class: "name" }, h("b", {}, rule.name), " ", pill(rule.severity || "none", KINDS[rule.severity] ?? "unknown")),
    h("small", {}, rule.fired ? `fired ${rule.fired} ${rule.fired === 1 ? "time" : "times"}, ${length(rule.minutes * 60000)} in all` : "did not fire", rule.due ? " · to be looked at again" : ""))))
  ctx.list.scrollTop = place
}

async function open(ctx, rule, at) {
  ctx.rule = rule
  for (const button of ctx.list.children) button.setAttribute("aria-selected", String(button === ctx.list.children[ctx.data.rules.indexOf(rule)]))
  choose({ ...at, rule: rule.key })
  const body = h("div", { class: "whatif", "aria-busy": "true" }, h("p", { class: "hint" }, "Replaying four weeks with other numbers …"))
  ctx.decided = h("div", { class: "review-decided" })
  put(ctx.side, h("div", { class: "review-head" }, h("h4", {}, rule.name, " ", worded(rule.severity || "none", KINDS[rule.severity] ?? "unknown")), h("code", {}, rule.expr)), body, ctx.decided)
  decisions(ctx, rule)
  try {
    const found = await answered(ctx, rule)
    if (ctx.rule !== rule || !found) return
    body.removeAttribute("aria-busy")
    sliders(ctx, body, rule, found, at, {
      moved: (threshold, hold) => choose({ rule: rule.key, threshold, for: hold }),
      decide: (kind, point) => decide(ctx, rule, found, kind, point),
    })
  } catch (error) {
    if (ctx.rule === rule) put(body, h("p", { class: "words" }, error.message))
  }
}

/** The answer, asked for again while it is being worked out; null when another rule was chosen meanwhile. */
async function answered(ctx, rule) {
  for (let tries = 0; tries < 12; tries++) {
    const found = await ctx.act("review.whatif", { rule: rule.key, days: 28 })
    if (!found?.working) return found
    if (ctx.rule !== rule) return null
  }
  throw new Error("This takes too long now; try again when the machine has less to do.")
}

function decide(ctx, rule, found, kind, point) {
  const titles = { change: `Change ${rule.name}`, accept: `Change ${rule.name} as proposed`, reject: `Keep ${rule.name} as it is` }
  const words = kind === "reject" ? "The numbers stay. The reason is kept, so that nobody asks again next week." : point.sentence
  const reason = h("textarea", { name: "reason", required: true, maxlength: 4096, rows: 3 })
  const weeks = h("select", { name: "weeks" }, [["", "no date"], ["1", "in a week"], ["2", "in two weeks"], ["4", "in four weeks"]].map(([value, label]) => h("option", { value, selected: value === "4" }, label)))
  ask(titles[kind], [field("Why", reason), field("Look at it again", weeks)], async (given) => {
    const body = { rule: rule.key, kind, reason: given.reason, evidence: { from: found.start, to: found.end, ...point.evidence } }
    if (given.weeks) body.look_again_at = new Date(Date.now() + given.weeks * 604800000).toISOString()
    if (kind !== "reject") Object.assign(body, point.change)
    const row = await ctx.act("review.decide", body)
    ctx.data = { ...ctx.data, decisions: [row, ...ctx.data.decisions] }
    decisions(ctx, rule)
    toast(kind === "reject" ? "Kept, with the reason." : "Decided. It changes nothing before an admin applies it.")
  }, { button: "Decide", hint: words })
}

/** What was decided about the rule; admins apply and take back. */
function decisions(ctx, rule) {
  const mine = ctx.data.decisions.filter((row) => row.rule === rule.key).slice(0, 5)
  put(ctx.decided, mine.length ? h("h5", {}, "Decided") : null, mine.map((row) => h("div", { class: "item", "data-decision": row.id },
    h("div", { class: "top" }, worded(row.kind === "reject" ? "kept" : row.state, row.kind === "reject" ? "unknown" : DECIDED[row.state]),
      h("span", { class: "what" }, row.reason), h("small", {}, `${text(row.decided_by)}, ${ago(row.created_at)}`),
      h("div", { class: "acts" },
        ctx.may("admin") && row.state === "decided" && row.kind !== "reject" ? h("button", { type: "button", onclick: () => done(ctx, rule, row, "apply") }, "Apply") : null,
        ctx.may("admin") && row.state === "applied" ? h("button", { type: "button", onclick: () => done(ctx, rule, row, "revert") }, "Take back") : null)),
    row.diff ? h("pre", { class: "diff" }, row.diff.split("\n").filter((line) => /^[+-](?![+-])/.test(line)).join("\n")) : null,
    row.look_again_at ? h("small", {}, `Looked at again ${moment(row.look_again_at)}`) : null)))
}

async function done(ctx, rule, row, what) {
  try {
    const now = await ctx.act(`review.${what}`, { id: row.id })
    ctx.data = { ...ctx.data, decisions: ctx.data.decisions.map((each) => (each.id === row.id ? { ...each, ...now } : each)) }
    decisions(ctx, rule)
    toast(what === "apply" ? "Applied: the rule runs with its new numbers within seconds." : "Taken back.")
  } catch (error) {
    toast(error.message)
  }
}

register("review", { draw, update, empty: (data) => !data.rules?.length })
