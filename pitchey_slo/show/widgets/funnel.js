// What is left from stage to stage.
import { h, put } from "../app/dom.js"
import { full } from "../app/format.js"
import { ways } from "./number.js"
import { register } from "./register.js"

function draw(ctx, data) {
  const first = data.stages[0]?.value || 0, most = Math.max(first, ...data.stages.map((stage) => stage.value ?? 0), 1e-12)
  put(ctx.el, h("div", { class: "funnel", role: "list" }, data.stages.map((stage, i) => {
    const before = data.stages[i - 1]?.value
    const share = i === 0 ? "" : stage.value === null || !before ? "–" : `${full(stage.value / before, "ratio", 1)} go on`
    return h("div", { class: "stage", role: "listitem" }, h("span", { class: "name" }, stage.name),
      h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill", style: { width: `${Math.max(0.6, (100 * (stage.value ?? 0)) / most)}%`, "--c": `color-mix(in srgb, var(--line-0) ${100 - i * 12}%, var(--line-2))` } })),
      h("span", {}, h("b", {}, full(stage.value, ctx.widget.unit, ctx.widget.decimals)), h("br"), h("small", {}, share)))
  })))
  if (first && data.stages.length > 1) ctx.note(`${full((data.stages.at(-1).value ?? 0) / first, "ratio", 2)} of all reach the end`)
  else ways(ctx)
}

register("funnel", { draw, empty: (data) => !data.stages?.some((stage) => stage.value) })
