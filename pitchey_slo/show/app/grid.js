// Rows of widgets in twelve columns; each widget in a card of its own that may fail alone.
import { colours, forget, resize } from "./chart.js"
import { exactly } from "./format.js"
import { h, put, sign } from "./dom.js"
import { address } from "./state.js"
import { load } from "../widgets/register.js"

export const ROW = 40

/** Draws boards into #board; `page` is that of main.js. */
export function grid(page) {
  const root = document.getElementById("board")
  let cards = new Map()
  let made = null // the definition that is drawn
  let large = null

  const each = (then) => cards.forEach((card) => then(card))

  /** Draw everything of an answer; cards stay where the definition did not change. */
  function show(view, answer, { fresh }) {
    if (!answer) return
    root.setAttribute("aria-busy", "false")
    const definition = answer.definition
    const same = made && definition && made.name === definition.name && JSON.stringify(made.rows) === JSON.stringify(definition.rows)
    if (!same) build(definition)
    if (fresh || !same) each((card) => card.show(answer))
    opened(view, answer)
  }

  function build(definition) {
    clear()
    made = definition
    root.setAttribute("aria-label", definition.title)
    put(root, h("h1", { class: "unseen" }, definition.title), definition.rows.map((row) => section(row)))
  }

  function section(row) {
    const box = h("div", { class: "grid" }, row.widgets.map((widget) => {
      const card = cardOf(page, widget)
      cards.set(widget.id, card)
      return card.box
    }))
    if (!row.title) return h("section", {}, box)
    const folded = h("details", { open: !row.collapsed, class: "row" }, h("summary", {}, h("h2", {}, row.title)), box)
    folded.addEventListener("toggle", () => resize(folded))
    return h("section", { "aria-label": row.title }, folded)
  }

  function update(answer, { changed, moved }) {
    each((card) => (changed.has(card.widget.id) || (moved && card.timed)) && card.show(answer))
    if (large && (changed.has(large.id) || moved)) large.show(answer)
  }

  async function opened(view, answer) {
    if (large && large.id !== view.open) {
      const gone = large
      large = null
      gone.close()
    }
    const card = view.open ? cards.get(view.open) : null
    if (card && !large) {
      const { enlarge } = await import("./large.js")
      if (!large && page.view.open === view.open) large = enlarge(page, card.widget, answer, () => {
        large = null
        if (page.view.open) page.go({ open: "" })
      })
    } else if (large) large.show(answer)
  }

  function clear() {
    each((card) => card.dispose())
    cards = new Map()
    made = null
  }

  return {
    show, update,
    /** The cards alone, until their numbers come. */
    outline(definition) {
      build(definition)
      each((card) => card.wait())
    },
    redraw: () => page.answer && (each((card) => card.redraw(page.answer)), large?.show(page.answer)),
    wait(name) {
      clear()
      large?.close()
      root.setAttribute("aria-busy", "true")
      put(root, h("p", { class: "waiting" }, `Loading ${page.boards().find((b) => b.name === name)?.title ?? name} …`))
    },
    fail(message) {
      root.setAttribute("aria-busy", "false")
      const again = message.reason === "unauthorized" || message.reason === "forbidden"
        ? h("a", { class: "button primary", href: `/signin?next=${encodeURIComponent(address(page.view))}` }, "Sign in")
        : h("button", { type: "button", class: "primary", onclick: () => page.go({ span: "", start: "", end: "", compare: "", variables: {} }) }, "Show the board as it is meant")
      clear()
      put(root, h("div", { class: "trouble", role: "alert" }, h("h1", {}, "This cannot be shown"), h("p", {}, message.message), again))
    },
  }
}

/** One widget in its card: {box, widget, timed, show(answer), redraw(answer), dispose()}. */
export function cardOf(page, widget, { tall = false } = {}) {
  const body = h("div", { class: "body" })
  const note = h("div", { class: "note" })
  const menuless = page.editing === true
  const head = h("header", {},
    h("h3", { id: `t-${widget.id}`, title: widget.description || null }, widget.title || widget.id),
    h("div", { class: "spread" }), note,
    menuless || tall ? null : h("button", { type: "button", class: "icon faint", "aria-label": `Enlarge ${widget.title}`, title: "Enlarge; where the numbers come from", onclick: () => page.go({ open: widget.id }) }, sign("large", 14)))
  const box = h("article", { class: `card type-${widget.type}`, "aria-labelledby": `t-${widget.id}`, "data-widget": widget.id, style: { "--w": widget.width ?? 6, "--h": widget.height ?? 6 } }, tall ? null : head, body)
  let impl = null, drawn = false, latest = null, gone = false
  const ctx = {
    page, widget, el: body, tall, act: page.act, may: page.may, go: page.go, note: (...words) => put(note, ...words),
    get view() { return page.view },
    get answer() { return page.answer },
    get colours() { return colours() },
    /** The address a link of the definition leads to, with what was clicked put in. */
    href: (link, labels = {}) => follow(page, link, labels),
    /** Go there; the page stays, when it is another board. */
    follow: (link, labels = {}) => visit(page, follow(page, link, labels)),
    links: widget.links ?? [],
  }

  async function show(answer) {
    latest = answer.widgets?.[widget.id]
    try {
      impl ??= await load(widget.type)
    } catch {
      return say("error", `There is no drawing for widgets of type ${widget.type}.`)
    }
    if (gone || !latest) return
    if (latest.error) return say("error", latest.error.message)
    if (impl.empty?.(latest, ctx)) return say("empty", widget.empty || (widget.type === "alerts" ? "Nothing fires." : "No data in this time."))
    try {
      if (drawn && impl.update) await impl.update(ctx, latest)
      else {
        forget(body)
        put(body)
        body.className = "body"
        await impl.draw(ctx, latest)
        drawn = true
      }
    } catch (error) {
      console.error(widget.id, error)
      say("error", "This could not be drawn.")
    }
  }

  function say(kind, words) {
    forget(body)
    drawn = false
    body.className = `body ${kind}`
    put(body, h("p", {}, kind === "error" ? sign("close", 14) : null, " ", words))
    if (kind === "error") ctx.note()
  }

  return {
    box, widget, ctx, show,
    wait: () => (body.className = "body loading"),
    get timed() { return ["line", "area", "heatmap"].includes(widget.type) },
    redraw: (answer) => ((drawn = false), show(answer)),
    dispose() {
      gone = true
      impl?.dispose?.(ctx)
      forget(body)
    },
  }
}

/** The address of a definition's link; `{{label}}` is what was clicked, `$name` a variable of this board. */
function follow(page, link, labels) {
  const known = (text) => String(text).replace(/\{\{\s*([\w]+)\s*\}\}/g, (_, name) => labels[name] ?? "")
  const given = {}
  for (const [name, raw] of Object.entries(link.with ?? {})) {
    const variable = /^\$(\w+)$/.exec(raw)
    const value = variable ? page.view.variables[variable[1]] : [known(raw)]
    if (value?.length && value[0] !== "" && value[0] !== "$all") given[name] = value
  }
  if (link.to.startsWith("/")) {
    const path = link.to.replace(/\{\{\s*([\w]+)\s*\}\}/g, (_, name) => encodeURIComponent(labels[name] ?? ""))
    return path.startsWith("/show/") ? path : page.boot.api + path
  }
  return address({ ...page.view, board: link.to, variables: given, open: "" })
}

/** Go to an address: within the page when it is a board. */
export function visit(page, to) {
  const url = new URL(to, location.href)
  if (url.origin !== location.origin || !url.pathname.startsWith("/show/")) return location.assign(url.href)
  const given = url.searchParams
  const variables = {}
  for (const [name, value] of given) if (name.startsWith("var-")) (variables[name.slice(4)] ??= []).push(value)
  page.go({ board: decodeURIComponent(url.pathname.split("/")[2]), variables, open: given.get("widget") ?? "" })
}

export const stamp = exactly
