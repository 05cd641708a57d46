// Two sliders, threshold and `for`: firings, incidents caught, precision, pages and the picture move with them at once.
import { h, put, s, text } from "../app/dom.js"
import { exactly, full, length, moment } from "../app/format.js"

const WIDE = 1000
const LANES = { incidents: 0, now: 22, then: 46, axis: 74 }

/** Draws into `el`. `at` are the numbers of the address; `then.moved(threshold, for)` and `then.decide(kind, point)`. */
export function sliders(ctx, el, rule, found, at, then) {
  const [i0, j0] = found.current
  const place = { i: near(found.thresholds, at.threshold, i0), j: near(found.fors, at.for, j0) }
  const numbers = h("dl", { class: "whatif-numbers", "aria-live": "polite" })
  const picture = h("div", { class: "whatif-picture" }), words = h("div", { class: "whatif-words" }), acts = h("div", { class: "acts buttons" })
  const threshold = slider("Threshold", found.thresholds.length, place.i, (i) => number(found.thresholds[i]), marks(found, 0), (i) => move({ i }))
  const hold = slider("for", found.fors.length, place.j, (j) => lasting(found.fors[j]), marks(found, 1), (j) => move({ j }))
  function move(to) {
    Object.assign(place, to)
    show()
    then.moved(found.thresholds[place.i] ?? "", found.fors[place.j])
  }
  function show() {
    const { i, j } = place
    put(numbers, tiles(found, i, j, i0, j0))
    put(picture, timeline(found, i, j, i0, j0))
    put(words, told(found, i, j))
    put(acts, buttons(ctx, rule, found, i, j, then), h("button", { type: "button", class: "quiet", onclick: () => jump(found.current) }, "As it is now"),
      found.recommended && differs(found.recommended, found.current) ? h("button", { type: "button", class: "quiet", onclick: () => jump(found.recommended) }, "As proposed") : null)
  }
  function jump([i, j]) {
    threshold.set(i)
    hold.set(j)
    move({ i, j })
  }
  const one = found.thresholds.length < 2
  put(el, h("div", { class: "whatif-sliders" }, one ? h("p", { class: "hint" }, "This rule compares with no number; only its `for` can be moved.") : threshold.box, hold.box),
    numbers, picture, words, acts, found.notes.map((note) => h("p", { class: "hint" }, note)))
  show()
}

function slider(label, count, start, said, ticks, moved) {
  const out = h("output", {}, said(start))
  const input = h("input", { type: "range", min: 0, max: count - 1, step: 1, value: start, "aria-label": label, "aria-valuetext": said(start) })
  const show = () => {
    out.textContent = said(+input.value)
    input.setAttribute("aria-valuetext", said(+input.value))
  }
  input.addEventListener("input", () => (show(), moved(+input.value)))
  const scale = h("div", { class: "ticks", "aria-hidden": "true" }, ticks.map(([i, word, kind]) => h("span", { class: kind, style: { left: `${(100 * i) / Math.max(1, count - 1)}%` }, title: `${word}: ${said(i)}` })))
  const box = h("label", { class: "whatif-slider" }, h("span", {}, label, " ", out), input, scale)
  return { box, set: (i) => ((input.value = i), show()) }
}

const marks = (found, axis) => [[found.current[axis], "now", "now"], ...(found.recommended && differs(found.recommended, found.current) ? [[found.recommended[axis], "proposed", "proposed"]] : [])]
const differs = (a, b) => a[0] !== b[0] || a[1] !== b[1]
const number = (value) => (value === null || value === undefined ? "none" : String(+value.toPrecision(6)))
/** As rule files have it: 90s, 5m, 1h. */
const duration = (seconds) => (seconds && seconds % 3600 === 0 ? `${seconds / 3600}h` : seconds && seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`)
const lasting = (seconds) => (seconds < 1 ? "at once" : length(seconds * 1000))

/** The place of the nearest number to what the address says; `otherwise` when it says nothing. */
function near(numbers, wanted, otherwise) {
  const value = Number(wanted)
  if (wanted === undefined || wanted === "" || !Number.isFinite(value)) return otherwise
  return numbers.reduce((best, each, i) => (each !== null && Math.abs(each - value) < Math.abs((numbers[best] ?? Infinity) - value) ? i : best), 0)
}

function tiles(found, i, j, i0, j0) {
  const of = found.incidents.length
  const precision = (a, b) => (found.fired[a][b] ? (found.fired[a][b] - found.false[a][b]) / found.fired[a][b] : null)
  const week = (grid) => (a, b) => (grid[a][b] === null ? null : grid[a][b] / found.weeks)
  return [
    tile("recall: incidents caught", `${found.caught[i][j]} of ${of}`, found.caught[i][j] - found.caught[i0][j0], 1, (d) => full(d, "none")),
    tile("precision: firings with one", shown(precision(i, j), (v) => full(v, "ratio", 0)), change(precision, i, j, i0, j0), 1, (d) => full(d, "ratio", 0)),
    tile("firings a week", shown(week(found.fired)(i, j), two), change(week(found.fired), i, j, i0, j0), -1, two),
    tile("for nothing, a week", shown(week(found.false)(i, j), two), change(week(found.false), i, j, i0, j0), -1, two),
    tile("pages a week", shown(found.pages[i][j], two), change((a, b) => found.pages[a][b], i, j, i0, j0), -1, two),
    tile("of them at night", shown(found.night_pages[i][j], two), change((a, b) => found.night_pages[a][b], i, j, i0, j0), -1, two),
    tile("age when told (median)", shown(found.detect_seconds[i][j], lasting), change((a, b) => found.detect_seconds[a][b], i, j, i0, j0), -1, (d) => length(d * 1000)),
  ]
}

const two = (value) => full(value, "none", value >= 10 ? 0 : 1)
const shown = (value, how) => (value === null || value === undefined ? "–" : how(value))
const change = (of, i, j, i0, j0) => (of(i, j) === null || of(i0, j0) === null ? 0 : of(i, j) - of(i0, j0))

function tile(label, value, by, good, how) {
  const kind = !by ? "" : by * good > 0 ? "ok" : "critical"
  return h("div", {}, h("dt", {}, label), h("dd", {}, value, by ? h("small", { class: `state ${kind}` }, `${by > 0 ? "▲" : "▼"} ${how(Math.abs(by))}`) : null))
}

/** The firings of a point: stretches that last as long as `for`, as the rule's own life has it. */
function firings(found, i, j) {
  const runs = found.runs[i]
  if (!runs) return null
  const need = found.fors[j] * 1000, step = found.step_ms
  return runs.filter(([, first, last]) => last - first >= need).map(([series, first, , end]) => [series, first + Math.ceil(need / step) * step, Math.max(end, end + found.keep_firing_seconds * 1000)])
}

function timeline(found, i, j, i0, j0) {
  const x = (ms) => (WIDE * (Math.min(Math.max(ms, found.start), found.end) - found.start)) / (found.end - found.start)
  const missed = new Set(found.missed[i][j])
  const svg = s("svg", { viewBox: `0 0 ${WIDE} 92`, class: "whatif-svg", role: "img", preserveAspectRatio: "none", "aria-label": "Incidents, firings as the rule is now, and firings with these numbers" })
  for (const [n, incident] of found.incidents.entries()) {
    const from = x(incident.at), to = Math.max(from + 3, x(incident.until ?? found.end))
    const band = s("rect", { x: from, y: LANES.incidents, width: to - from, height: LANES.axis - 4, class: missed.has(n) ? "missed" : "caught" })
    band.append(s("title", {}, `${text(incident.title)}, ${exactly(incident.at)}: ${missed.has(n) ? "missed" : "caught"}`))
    svg.append(band)
  }
  for (const [lane, a, b, kind] of [["now", i0, j0, "now"], ["then", i, j, "then"]]) {
    const fired = firings(found, a, b)
    for (const [series, from, to] of fired ?? []) {
      const bar = s("rect", { x: x(from), y: LANES[lane], width: Math.max(2, x(to) - x(from)), height: 16, class: kind })
      bar.append(s("title", {}, `${found.series[series]}: fired ${exactly(from)}, for ${length(to - from)}`))
      svg.append(bar)
    }
  }
  const days = [0, 1, 2, 3, 4].map((n) => found.start + (n * (found.end - found.start)) / 4)
  return [
    h("div", { class: "whatif-lanes", "aria-hidden": "true" }, h("span", { style: { top: `${LANES.now}px` } }, "now"), h("span", { style: { top: `${LANES.then}px` } }, "then")),
    h("div", { class: "whatif-drawn" }, svg, h("div", { class: "whatif-axis", "aria-hidden": "true" }, days.map((ms) => h("span", {}, moment(ms))))),
    found.runs[i] ? null : h("p", { class: "hint" }, "With this threshold it holds so often that drawing it says nothing."),
  ]
}

function told(found, i, j) {
  const missed = found.missed[i][j].map((n) => found.incidents[n].title)
  const same = !differs([i, j], found.current)
  return [
    h("p", {}, same ? "These are its numbers now." : sentence(found, i, j)),
    missed.length ? h("details", {}, h("summary", {}, `${missed.length} ${missed.length === 1 ? "incident" : "incidents"} missed`), h("ul", {}, missed.map((title) => h("li", {}, title)))) : null,
    found.recommended && !differs([i, j], found.recommended) && !same ? found.reasons.map((reason) => h("p", { class: "hint" }, reason)) : null,
  ]
}

function sentence(found, i, j) {
  const [i0, j0] = found.current
  const caught = found.caught[i][j] - found.caught[i0][j0], quiet = found.false[i0][j0] - found.false[i][j]
  const parts = [
    caught ? `${Math.abs(caught)} ${Math.abs(caught) === 1 ? "incident" : "incidents"} ${caught > 0 ? "more caught" : "fewer caught"}` : "the same incidents counted",
    quiet ? `${Math.abs(quiet)} ${quiet > 0 ? "firings fewer" : "firings more"} for nothing` : "as many firings for nothing",
  ]
  return `${number(found.thresholds[i])} for ${lasting(found.fors[j])} instead of ${number(found.thresholds[i0])} for ${lasting(found.fors[j0])}: ${parts.join(", ")}, over ${full(found.weeks, "none", 0)} weeks.`
}

function buttons(ctx, rule, found, i, j, then) {
  if (!ctx.may("operator")) return h("small", {}, "Operators decide; sign in to.")
  if (!rule.line) return h("small", {}, "This rule comes from an SLO: change its spec.")
  const [i0, j0] = found.current
  const point = {
    sentence: sentence(found, i, j),
    change: { ...(i !== i0 ? { threshold: found.thresholds[i], was: found.thresholds[i0] } : {}), ...(j !== j0 ? { for: duration(found.fors[j]) } : {}) },
    evidence: { incidents: found.incidents.length, caught: found.caught[i][j], caught_now: found.caught[i0][j0], false: found.false[i][j], false_now: found.false[i0][j0], pages_per_week: found.pages[i][j], pages_per_week_now: found.pages[i0][j0] },
  }
  const as = found.recommended && !differs([i, j], found.recommended) ? "accept" : "change"
  return [
    h("button", { type: "button", class: "primary", disabled: !differs([i, j], found.current), onclick: () => then.decide(as, point) }, "Use these numbers"),
    h("button", { type: "button", onclick: () => then.decide("reject", point) }, "Keep as it is"),
  ]
}
