// A square for each day: how much of that day's share of the error budget it spent.
import { h, put, s } from "../app/dom.js"
import { full } from "../app/format.js"
import { register } from "./register.js"

const STEPS = [[0, "nothing spent"], [0.5, "half of its share"], [1, "more than its share"], [3, "three times its share"]]
const FILLS = ["color-mix(in srgb, var(--ok) 40%, var(--card))", "color-mix(in srgb, var(--warning) 45%, var(--card))", "color-mix(in srgb, var(--critical) 62%, var(--card))", "var(--critical)"]
const NAMES = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

function draw(ctx, data) {
  const days = data.days, first = weekday(days[0].day)
  const weeks = Math.ceil((days.length + first) / 7), link = ctx.links[0]
  const svg = s("svg", { class: "days", viewBox: `0 0 ${Math.max(weeks, 14) * 14 + 26} 112`, preserveAspectRatio: "xMinYMid meet", role: "group", "aria-label": ctx.widget.title },
    [0, 2, 4, 6].map((i) => s("text", { x: 0, y: i * 14 + 21, "font-size": 7.5 }, NAMES[i])),
    days.map((day, i) => {
      const x = Math.floor((i + first) / 7) * 14 + 24, y = ((i + first) % 7) * 14 + 12
      const step = day.spent === null ? null : STEPS.findLastIndex(([from]) => day.spent >= from)
      const words = `${day.day}: ${day.spent === null ? "no data" : `${full(day.spent, "ratio", 0)} of its share spent, ${full(day.bad, "short")} of ${full(day.valid, "short")} bad`}`
      const go = () => link && ctx.follow(link, day)
      return [s("rect", { x, y, width: 12, height: 12, rx: 2.5, tabindex: 0, role: "img", "aria-label": words, style: { fill: step === null ? "none" : FILLS[Math.max(0, step)], stroke: step === null ? "var(--thin)" : "none" }, "stroke-dasharray": step === null ? "2 2" : null, onclick: go }, s("title", {}, words)),
        step >= 2 ? s("text", { x: x + 6, y: y + 8.6, "text-anchor": "middle", "font-size": 7, style: { fill: "var(--card)", "pointer-events": "none" } }, step === 3 ? "!!" : "!") : null]
    }),
    days.map((day, i) => (day.day.endsWith("-01") || i === 0 ? s("text", { x: Math.floor((i + first) / 7) * 14 + 24, y: 7, "font-size": 7.5 }, month(day.day)) : null)))
  put(ctx.el, svg)
  ctx.note(STEPS.map(([, words], i) => h("span", { title: words, "aria-label": words, style: { display: "inline-block", width: "9px", height: "9px", "border-radius": "2px", background: FILLS[i], "margin-left": "3px" } })), " more spent")
}

const weekday = (day) => (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
const month = (day) => new Date(`${day}T00:00:00Z`).toLocaleString("en", { month: "short", timeZone: "UTC" })

register("calendar", { draw, empty: (data) => !data.days?.length })
