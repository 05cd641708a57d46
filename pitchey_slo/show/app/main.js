// The page: what is looked at, what arrived, and who draws it.
import { bar } from "./bar.js"
import { h, put } from "./dom.js"
import { grid } from "./grid.js"
import { comeBack, connect } from "./link.js"
import { merge } from "./merge.js"
import { address, alike, question, read } from "./state.js"
import { toast } from "./toast.js"

/** Reasons after which the same question is worth asking again. */
const TRANSIENT = new Set(["store_busy", "store_unavailable", "rate_limited"])
const ROLES = ["public", "viewer", "operator", "admin"]

/** Called by the component once its wire stands. */
export function start(wire) {
  const boot = JSON.parse(document.getElementById("boot").textContent)
  const link = connect(wire)
  const page = {
    boot, link, view: { ...read(), board: boot.board }, answer: null, paused: false, editing: false, boards: () => known,
    may: (role) => ROLES.indexOf(boot.me?.role) >= ROLES.indexOf(role),
    /** The board's own range. */
    home: () => page.answer?.definition?.range ?? "1h",
    go, pause, copy, redraw: () => drawn.redraw(),
    edit: async () => (await import("./editor.js")).edit(page),
    create: async () => (await import("./editor.js")).create(page),
    act: (name, args) => link.act(name, args),
  }
  let known = boot.boards
  const top = bar(page)
  const drawn = grid(page)
  let key = null
  let trouble = ""
  window.pitchey = page // for people who look under the hood, and for tests

  link.on("all", (message) => {
    if (message.answer.dashboard !== page.view.board || page.editing) return
    key = message.view
    trouble = ""
    page.layout = message.layout
    page.answer = { ...message.answer, definition: message.layout.definition }
    drawn.show(page.view, page.answer, { fresh: true })
    top.show(page.view, page.answer)
    pulse()
  })
  link.on("layout", (message) => {
    if (message.layout.definition.name !== page.view.board || page.answer || page.editing) return
    drawn.outline(message.layout.definition)
  })
  link.on("more", (message) => {
    link.had()
    if (message.view !== key || page.paused || page.editing || !page.answer) return
    trouble = ""
    const changed = merge(page.answer, message.answer)
    drawn.update(page.answer, changed)
    top.show(page.view, page.answer)
    pulse()
  })
  link.on("trouble", (message) => {
    if (message.view === key && message.answer.message !== trouble) {
      trouble = message.answer.message
      toast(`Not renewed: ${trouble}`, { bad: true })
    }
    pulse()
  })
  let again = null
  link.on("failed", (message) => {
    if (!TRANSIENT.has(message.reason)) return drawn.fail(message)
    clearTimeout(again) // a busy server is asked once more; meanwhile the page stays as it is
    again = setTimeout(look, 2500)
    if (trouble !== message.message) toast(`Still counting: ${(trouble = message.message)}`)
  })
  link.on("gone", () => {
    link.rest()
    drawn.fail({ message: "Your session is over.", reason: "unauthorized" })
  })

  function look() {
    clearTimeout(again)
    key = null
    document.getElementById("board").setAttribute("aria-busy", "true")
    link.look(question(page.view))
  }

  /** Look at something else: the address follows, so that it can be sent and gone back to. */
  function go(change, { replace = false } = {}) {
    const before = page.view
    page.view = { ...before, ...change }
    history[replace ? "replaceState" : "pushState"](null, "", address(page.view))
    shown(before)
  }

  function shown(before) {
    if (before.board !== page.view.board) {
      page.answer = null
      window.scrollTo(0, 0)
      drawn.wait(page.view.board)
    }
    if (!alike(before, page.view)) {
      page.paused = false
      look()
    } else drawn.show(page.view, page.answer, { fresh: false })
    top.show(page.view, page.answer)
    pulse()
  }

  window.addEventListener("popstate", () => {
    const before = page.view
    page.view = read()
    shown(before)
  })

  function pause() {
    page.paused = !page.paused
    if (page.paused) link.rest()
    else look()
    pulse()
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(location.href)
      toast("The link is copied; it shows what you see now.")
    } catch {
      toast(location.href, { seconds: 20 })
    }
  }

  let away = false
  function pulse() {
    const silent = performance.now() - link.heard
    const still = page.view.start && Date.parse(page.view.end) < Date.now() - 60000
    const state = away ? "away" : page.paused ? "paused" : still ? "still" : trouble || silent > 25000 ? "late" : "live"
    if (page.answer || away) top.pulse(state, page.answer?.watermark, page.answer?.newest)
  }
  setInterval(pulse, 1000)

  // A page that rests or shows the past hears nothing for minutes, so the process is asked now and then.
  let missed = 0
  setInterval(async () => {
    if (away || performance.now() - link.heard < 15000) return
    try {
      await link.act("boards").then((found) => (known = found))
      missed = 0
    } catch {
      missed += 1
    }
    if (missed >= 1) lost()
  }, 5000)

  // Nobody sees a hidden tab: after a minute it asks for nothing, and for everything once it is looked at again.
  let sleeping = null
  let slept = false
  document.addEventListener("visibilitychange", () => {
    clearTimeout(sleeping)
    if (document.hidden) {
      sleeping = setTimeout(() => {
        if (page.paused || page.editing || away) return
        slept = true
        link.rest()
      }, 60000)
    } else if (slept) {
      slept = false
      look()
    }
    pulse()
  })

  function lost() {
    if (away) return
    away = true
    pulse()
    const note = h("div", { class: "banner", role: "alert" }, "The connection is lost. What you see is as of then; this page comes back by itself.")
    document.body.insertBefore(note, document.getElementById("board"))
    comeBack((tries) => put(note, `The connection is lost. What you see is as of then; asked ${tries} times, this page comes back by itself.`))
  }
  page.lost = lost
  window.addEventListener("pitchey-lost", lost)

  top.show(page.view, null)
  look()
}
