// Error budgets, the least left first; a click leads to the burn-down of one.
import { h, put, text } from "../app/dom.js"
import { full } from "../app/format.js"
import { pill, state } from "./states.js"
import { register } from "./register.js"

function draw(ctx, data) {
  const link = ctx.links[0] ?? { to: "slos", with: { slo: "{{slo}}" }, title: "Burn-down" }
  const place = ctx.el.querySelector(".scroll")?.scrollTop ?? 0
  put(ctx.el, h("div", { class: "scroll" },
    h("div", { class: "slo head", "aria-hidden": "true" }, ["objective", "error budget left", "measured", "burns (1 h)", "state"].map((word, i) => h("span", { class: i === 2 || i === 3 ? "right" : "" }, word))),
    data.rows.map((row) => {
      const kind = row.state === "no_data" ? "unknown" : state(row.state)
      const left = row.budget_left
      return h("button", { type: "button", class: `slo ${kind}`, title: text(row.sentence), onclick: () => ctx.follow(link, row) },
        h("span", { class: "name" }, h("b", {}, row.display_name || row.slo), h("br"), h("small", {}, `${full(row.target, "ratio", digits(row.target))} over ${text(row.window)} · ${text(row.service)}`)),
        h("span", {}, h("span", { class: "budget", style: { display: "block" }, "aria-hidden": "true" }, h("span", { class: "fill", style: { display: "block", height: "100%", width: `${100 * Math.min(1, Math.max(0, left ?? 0))}%` } })), h("small", {}, left === null ? "no data" : left < 0 ? `overspent by ${full(-left, "ratio", 0)}` : `${full(left, "ratio", left < 0.1 ? 1 : 0)} left`)),
        h("span", { class: "right" }, full(row.sli, "ratio", digits(row.target))),
        h("span", { class: "right" }, full(row.burn?.["1h"] ?? null, "burn")),
        h("span", {}, pill(row.state, kind)))
    })))
  ctx.el.querySelector(".scroll").scrollTop = place
}

// 99.9 % needs two decimals, 95 % one: enough to tell what is measured from what was promised
const digits = (target) => Math.max(1, (String(+(target * 100).toFixed(6)).split(".")[1]?.length ?? 0) + 1)

register("slo_list", { draw, empty: (data) => !data.rows?.length })
