// The bar on top: which board, which time, what is compared, how fresh, who looks.
import { ago, length, moment } from "./format.js"
import { h, put, sign } from "./dom.js"
import { menu } from "./menu.js"
import { SPANS } from "./state.js"

/** Builds the bar; returns {show(view, answer), pulse(state)}. `page` has boot, view, go(change), pause(), edit(). */
export function bar(page) {
  const { boot } = page
  const title = boot.boards.find((b) => b.name === boot.board)?.title ?? boot.board
  const boards = menu(title, () => page.boards().map((b) => ({ label: b.title, current: b.name === page.view.board, go: () => page.go({ board: b.name, variables: {}, open: "" }) })), { kind: "board-menu", title: "Board" })
  const range = menu("…", () => ranges(page, range), { icon: "clock", title: "Time range" })
  const compare = menu("Compare", () => [["", "Not compared"], ["1d", "With the day before"], ["1w", "With the week before"], ["4w", "With four weeks before"]]
    .map(([value, label]) => ({ label, current: page.view.compare === value, go: () => page.go({ compare: value }) })), { icon: "compare", kind: "compare", title: "Compare" })
  const pause = h("button", { type: "button", class: "quiet icon-word", "aria-pressed": "false", onclick: () => page.pause() }, sign("pause"), h("span", { class: "word" }, "Pause"))
  const dot = h("span", { class: "dot", "aria-hidden": "true" })
  const age = h("span", { class: "age" }, "connecting")
  const live = h("div", { class: "live", role: "status", "aria-live": "off" }, dot, age)
  const me = menu(boot.me?.signed_in ? boot.me.name : boot.me?.role ?? "", () => [
    { heading: `${boot.me?.name ?? ""} · ${boot.me?.role ?? ""}` },
    { heading: "Colours" },
    ...["system", "light", "dark"].map((name) => ({ label: name[0].toUpperCase() + name.slice(1), current: theme() === name, go: () => choose(name, page) })),
    { heading: "This page" },
    ...(page.may("operator") ? [{ label: "Edit this board", go: () => page.edit() }, { label: "New board", go: () => page.create() }] : []),
    { label: "Copy a link to this view", go: () => page.copy() },
    { label: "API and its documentation", go: () => { location.href = `${boot.api}/docs` } },
    boot.me?.signed_in ? h("form", { method: "post", action: "/signout" }, h("button", { role: "menuitem" }, "Sign out"))
      : { label: "Sign in", go: () => { location.href = `/signin?next=${encodeURIComponent(location.pathname + location.search)}` } },
  ], { icon: "person", title: "You", align: "right", kind: "me" })
  const variables = h("div", { class: "variables" })
  const lag = h("span", { class: "lag" })
  put(document.getElementById("bar"),
    h("div", { class: "bar-row" },
      h("a", { class: "home", href: "/", "aria-label": "Pitchey, first board" }, h("img", { src: `${boot.base}app/icon.svg`, alt: "", width: 24, height: 24 })),
      boards, variables, h("div", { class: "spread" }), live, lag, compare, range, pause, me))

  return {
    show(view, answer) {
      const found = page.boards().find((b) => b.name === view.board)?.title ?? answer?.definition?.title ?? view.board
      boards.say(found)
      document.title = `${found} · Pitchey`
      range.say(view.start ? `${moment(view.start)} – ${moment(view.end)}` : (SPANS.find(([v]) => v === (view.span || page.home())) ?? [0, view.span || page.home()])[1])
      compare.say(view.compare ? { "1d": "vs day before", "1w": "vs week before", "4w": "vs 4 weeks before" }[view.compare] ?? `vs ${view.compare}` : "Compare")
      compare.classList.toggle("on", Boolean(view.compare))
      choices(page, variables, answer?.variables ?? [])
    },
    /** state: live, still (a time that is over), paused, late, away. */
    pulse(state, watermark, newest) {
      live.dataset.state = state
      const behind = watermark ? Date.now() - watermark : null
      put(age, { live: behind === null ? "live" : `live · ${length(behind)}`, still: "fixed time", paused: `paused at ${moment(watermark)}`, late: `late · ${ago(watermark)}`, away: "not connected" }[state])
      live.title = watermark ? `As of ${new Date(watermark).toISOString()}${newest ? `; newest request ${ago(newest)}` : ""}` : ""
      const old = newest && watermark ? watermark - newest : 0
      put(lag, state === "live" && old > 120000 ? `no new requests for ${length(old)}` : "")
      put(pause, sign(page.paused ? "play" : "pause"), h("span", { class: "word" }, page.paused ? "Go on" : "Pause"))
      pause.setAttribute("aria-pressed", String(page.paused))
    },
  }
}

function ranges(page, box) {
  const view = page.view
  const from = h("input", { type: "datetime-local", step: 1, name: "from", value: local(view.start || Date.now() - 3600000), "aria-label": "From, UTC" })
  const until = h("input", { type: "datetime-local", step: 1, name: "until", value: local(view.end || Date.now()), "aria-label": "Until, UTC" })
  const words = h("small", { class: "words" })
  const form = h("form", { class: "absolute" }, h("label", {}, "From (UTC)", from), h("label", {}, "Until (UTC)", until), words, h("button", { class: "primary" }, "Show this time"))
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (!(from.value < until.value)) return put(words, "The end is not after the start.")
    box.close()
    page.go({ start: `${from.value}Z`, end: `${until.value}Z`, span: "" })
  })
  return [{ heading: "The last" }, ...SPANS.map(([value, label]) => ({ label, current: !view.start && (view.span || page.home()) === value, go: () => page.go({ span: value, start: "", end: "" }) })), { heading: "From … until" }, form]
}

const local = (at) => new Date(at).toISOString().slice(0, 19)

function choices(page, box, variables) {
  const shown = JSON.stringify(variables)
  if (box.dataset.shown === shown) return
  box.dataset.shown = shown
  const written = new Set((page.answer?.definition?.variables ?? []).filter((v) => v.text).map((v) => v.name))
  const pick = (v, value) => {
    const variables = { ...page.view.variables }
    if (value === null || value === "") delete variables[v.name]
    else variables[v.name] = [value]
    page.go({ variables })
  }
  put(box, variables.map((v) => {
    if (v.text || written.has(v.name)) return v.name === "search" && hasLogs(page) ? null : free(v, pick)
    const chosen = v.chosen?.[0] ?? "$all"
    const say = chosen === "$all" ? "all" : v.chosen.length > 1 ? `${v.chosen.length} chosen` : chosen
    const list = menu(say, () => [
      ...(v.values.length > 12 ? [search()] : []),
      ...(v.all ? [{ label: `All (${v.values.length})`, current: chosen === "$all", go: () => pick(v, null) }] : []),
      ...v.values.map((value) => ({ label: value, current: v.chosen?.includes(value), go: () => pick(v, value) })),
    ], { kind: "variable", title: v.label || v.name })
    return h("div", { class: `choice ${chosen === "$all" ? "" : "on"}` }, h("span", { class: "choice-name", "aria-hidden": "true" }, v.label || v.name), list)
  }))
}

const hasLogs = (page) => page.answer?.definition?.rows?.some((row) => row.widgets.some((w) => w.type === "logs"))

/** A variable that is any text: what is typed holds from Enter on. */
function free(v, pick) {
  const now = v.chosen?.[0] && v.chosen[0] !== "$all" ? v.chosen[0] : ""
  const input = h("input", { type: "text", value: now, placeholder: "any", "aria-label": v.label || v.name, size: Math.max(6, Math.min(24, now.length || 6)), autocomplete: "off" })
  input.addEventListener("keydown", (event) => event.key === "Enter" && pick(v, input.value.trim()))
  return h("div", { class: `choice ${now ? "on" : ""}` }, h("span", { class: "choice-name", "aria-hidden": "true" }, v.label || v.name), input,
    now ? h("button", { type: "button", class: "icon", "aria-label": `Clear ${v.label || v.name}`, onclick: () => pick(v, "") }, sign("close", 12)) : null)
}

function search() {
  const input = h("input", { type: "search", placeholder: "Find", "aria-label": "Find a value" })
  input.addEventListener("input", () => {
    for (const button of input.parentElement.querySelectorAll("button")) button.hidden = !button.textContent.toLowerCase().includes(input.value.toLowerCase())
  })
  return input
}

const theme = () => {
  try { return localStorage.getItem("pitchey-theme") || "system" } catch { return "system" }
}

function choose(name, page) {
  try { localStorage.setItem("pitchey-theme", name) } catch { /* storage is switched off: it holds until the page is left */ }
  const dark = name === "dark" || (name === "system" && matchMedia("(prefers-color-scheme: dark)").matches)
  document.documentElement.dataset.theme = dark ? "dark" : "light"
  page.redraw()
}
