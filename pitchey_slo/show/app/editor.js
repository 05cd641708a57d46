// The editor: add, move and resize widgets by pointer and keyboard, see a query before it is saved, save with a comment.
import { ask, dialog, field } from "./dialog.js"
import { h, put, sign, text } from "./dom.js"
import { cardOf } from "./grid.js"
import { toast } from "./toast.js"

const clone = (value) => JSON.parse(JSON.stringify(value))
const idOf = (words) => words.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "widget"

/** Edit the board that is shown. */
export async function edit(page) {
  if (!page.layout) return
  const catalogue = await page.act("board.catalogue")
  new Editor(page, clone(page.layout.definition), page.layout.version, catalogue).open()
}

/** Make a new board: a name first, then its widgets. */
export function create(page) {
  ask("New board", [field("Title", h("input", { name: "title", required: true, maxlength: 200 })), field("Name in addresses", h("input", { name: "name", pattern: "[a-z][a-z0-9\\-]*", placeholder: "made from the title", maxlength: 64 }))], async ({ title, name }) => {
    const catalogue = await page.act("board.catalogue")
    const definition = { name: name || idOf(title), title, role: "viewer", rows: [{ title: "", widgets: [{ id: "requests", type: "line", title: "Requests per second", width: 6, height: 7, unit: "per_second", queries: [{ expr: "sum(rate(pitchey_http_requests_total[5m]))", legend: "all" }] }] }] }
    new Editor(page, definition, null, catalogue).open()
  }, { button: "Begin" })
}

class Editor {
  constructor(page, definition, version, catalogue) {
    Object.assign(this, { page, definition, version, catalogue, cards: new Map(), changed: version === null })
    this.root = document.getElementById("board")
  }

  open() {
    this.page.editing = true
    this.page.link.rest()
    document.body.classList.add("editing")
    window.addEventListener("beforeunload", (this.guard = (event) => this.changed && event.preventDefault()))
    this.draw()
  }

  close() {
    this.page.editing = false
    document.body.classList.remove("editing")
    window.removeEventListener("beforeunload", this.guard)
    this.cards.forEach((card) => card.dispose())
  }

  leave(board) {
    this.changed = false
    this.close()
    location.assign(board ? `/show/${encodeURIComponent(board)}` : location.href)
  }

  touch() {
    this.changed = true
    this.draw()
  }

  draw() {
    this.cards.forEach((card) => card.dispose())
    this.cards.clear()
    const d = this.definition
    put(this.root,
      h("div", { class: "editbar", role: "toolbar", "aria-label": "Editor" }, h("b", {}, "Editing"), h("input", { value: d.title, "aria-label": "Title of the board", onchange: (event) => ((d.title = event.target.value), (this.changed = true)) }),
        h("button", { type: "button", onclick: () => this.widget(null) }, sign("plus", 14), "Widget"), h("button", { type: "button", onclick: () => (d.rows.push({ title: "New row", widgets: [] }), this.touch()) }, sign("plus", 14), "Row"),
        h("button", { type: "button", onclick: () => this.yaml() }, "As text"), h("button", { type: "button", onclick: () => this.history() }, "Versions"), h("div", { class: "spread" }),
        h("button", { type: "button", class: "quiet", onclick: () => this.leave() }, "Leave"), h("button", { type: "button", class: "primary", onclick: () => this.save() }, "Save")),
      h("p", { class: "hint" }, "Drag a widget to move it, its corner to resize it. By keyboard: focus a widget, arrows move it, Shift with arrows resizes it, Enter edits it, Delete removes it."),
      d.rows.map((row, i) => this.row(row, i)))
    if (this.focus) this.root.querySelector(`[data-widget="${CSS.escape(this.focus)}"]`)?.focus()
  }

  row(row, i) {
    const grid = h("div", { class: "grid", "data-row": i }, row.widgets.map((widget) => this.card(widget, row)))
    return h("section", {}, h("div", { class: "rowtools" }, h("input", { value: row.title ?? "", placeholder: "Row without a title", "aria-label": "Title of the row", onchange: (event) => ((row.title = event.target.value), (this.changed = true)) }),
      row.widgets.length ? null : h("button", { type: "button", class: "icon", "aria-label": "Remove this row", onclick: () => (this.definition.rows.splice(i, 1), this.touch()) }, sign("bin"))), grid)
  }

  card(widget, row) {
    const card = cardOf(this.page, widget), box = card.box
    this.cards.set(widget.id, card)
    if (this.page.answer?.widgets?.[widget.id]) card.show(this.page.answer)
    Object.assign(box, { tabIndex: 0 })
    box.setAttribute("aria-roledescription", "movable widget")
    const tools = h("div", { class: "acts" }, h("button", { type: "button", class: "icon", "aria-label": `Edit ${widget.title}`, onclick: () => this.widget(widget) }, sign("edit", 14)), h("button", { type: "button", class: "icon", "aria-label": `Remove ${widget.title}`, onclick: () => this.remove(widget) }, sign("bin", 14)))
    box.querySelector("header")?.append(tools)
    const handle = h("div", { class: "handle", "aria-hidden": "true" })
    box.append(handle)
    handle.addEventListener("pointerdown", (event) => this.resize(event, widget, box))
    box.addEventListener("pointerdown", (event) => event.target.closest("button, .handle") || this.drag(event, widget, box))
    box.addEventListener("keydown", (event) => event.target === box && this.key(event, widget, row))
    return box
  }

  key(event, widget, row) {
    const { rows } = this.definition, r = rows.indexOf(row), at = row.widgets.indexOf(widget)
    const size = (w, height) => {
      widget.width = Math.min(12, Math.max(1, (widget.width ?? 6) + w))
      widget.height = Math.min(30, Math.max(2, (widget.height ?? 6) + height))
    }
    const move = (toRow, to) => {
      if (!rows[toRow]) return
      row.widgets.splice(at, 1)
      rows[toRow].widgets.splice(Math.max(0, Math.min(rows[toRow].widgets.length, to)), 0, widget)
    }
    const done = {
      ArrowLeft: () => (event.shiftKey ? size(-1, 0) : move(r, at - 1)), ArrowRight: () => (event.shiftKey ? size(1, 0) : move(r, at + 1)),
      ArrowUp: () => (event.shiftKey ? size(0, -1) : move(r - 1, 99)), ArrowDown: () => (event.shiftKey ? size(0, 1) : move(r + 1, 0)),
      Enter: () => this.widget(widget), Delete: () => this.remove(widget),
    }[event.key]
    if (!done) return
    event.preventDefault()
    this.focus = widget.id
    done()
    if (event.key.startsWith("Arrow")) this.touch()
  }

  resize(event, widget, box) {
    event.preventDefault()
    event.stopPropagation()
    const grid = box.parentElement, one = (grid.clientWidth + 12) / 12, from = box.getBoundingClientRect()
    const move = (e) => {
      widget.width = Math.min(12, Math.max(1, Math.round((e.clientX - from.left + 12) / one)))
      widget.height = Math.min(30, Math.max(2, Math.round((e.clientY - from.top + 12) / 52)))
      box.style.setProperty("--w", widget.width)
      box.style.setProperty("--h", widget.height)
    }
    this.follow(move, () => this.touch())
  }

  drag(event, widget, box) {
    if (event.button) return
    event.preventDefault()
    box.focus()
    const start = [event.clientX, event.clientY]
    let moved = false
    this.follow((e) => {
      if (!moved && Math.hypot(e.clientX - start[0], e.clientY - start[1]) < 6) return
      moved = true
      box.classList.add("moving")
      const over = document.elementsFromPoint(e.clientX, e.clientY).find((el) => el !== box && (el.matches?.(".grid > .card") || el.matches?.(".grid")))
      if (!over || box.contains(over)) return
      if (over.matches(".grid")) over.contains(box) || over.append(box)
      else {
        const middle = over.getBoundingClientRect()
        over[e.clientX < middle.left + middle.width / 2 ? "before" : "after"](box)
      }
    }, () => {
      if (!moved) return
      const all = new Map(this.definition.rows.flatMap((row) => row.widgets.map((w) => [w.id, w])))
      for (const grid of this.root.querySelectorAll(".grid")) this.definition.rows[Number(grid.dataset.row)].widgets = [...grid.children].map((card) => all.get(card.dataset.widget))
      this.focus = widget.id
      this.touch()
    })
  }

  follow(move, end) {
    const stop = () => {
      window.removeEventListener("pointermove", move)
      window.removeEventListener("pointerup", stop)
      end()
    }
    window.addEventListener("pointermove", move)
    window.addEventListener("pointerup", stop)
  }

  remove(widget) {
    for (const row of this.definition.rows) row.widgets = row.widgets.filter((w) => w !== widget)
    this.touch()
  }

  /** The form of one widget, with what it would show beside it; null makes a new one. */
  widget(widget) {
    const draft = widget ? clone(widget) : { id: "", type: "line", title: "", width: 6, height: 7, unit: "none", queries: [{ expr: "" }] }
    const { types, units, named } = this.catalogue
    const options = (values, chosen, none) => [none === undefined ? null : h("option", { value: "" }, none), Object.keys(values).map((name) => h("option", { value: name, selected: name === chosen }, name))]
    const list = h("div", { class: "form" }), view = h("div", { class: "large" }), words = h("p", { class: "words", role: "alert" })
    const inputs = {
      title: h("input", { value: draft.title ?? "" }), type: h("select", {}, options(types, draft.type)), unit: h("select", {}, options(units, draft.unit)), width: h("input", { type: "number", min: 1, max: 12, value: draft.width ?? 6 }), height: h("input", { type: "number", min: 2, max: 30, value: draft.height ?? 6 }),
      named: h("select", {}, options(named, draft.named, "PromQL")), given: h("input", { value: Object.keys(draft.with ?? {}).length ? JSON.stringify(draft.with) : "", placeholder: "{}" }), min: h("input", { type: "number", step: "any", value: draft.min ?? "" }), max: h("input", { type: "number", step: "any", value: draft.max ?? "" }), stack: h("input", { type: "checkbox", checked: draft.stack === true }), description: h("input", { value: draft.description ?? "" }),
    }
    const queries = h("div", { class: "form" }), thresholds = h("div", { class: "form" })
    const query = (q = {}) => queries.append(h("div", { class: "pair", "data-query": "" }, h("textarea", { rows: 3, "aria-label": "PromQL", class: "mono", placeholder: "PromQL", style: { "grid-column": "1 / -1" } }, q.expr ?? ""), h("input", { "aria-label": "Name of its lines", placeholder: "name, such as {{route}}", value: q.legend ?? "" }), h("button", { type: "button", class: "quiet", onclick: (event) => event.target.closest("[data-query]").remove() }, "Remove")))
    const threshold = (t = {}) => thresholds.append(h("div", { class: "pair", "data-threshold": "" }, h("input", { type: "number", step: "any", "aria-label": "From", placeholder: "from", value: t.value ?? "" }), h("select", { "aria-label": "State" }, this.catalogue.states.map((name) => h("option", { value: name, selected: name === t.state }, name))), h("input", { "aria-label": "Words", placeholder: "why", value: t.text ?? "" }), h("button", { type: "button", class: "quiet", onclick: (event) => event.target.closest("[data-threshold]").remove() }, "Remove")))
    ;(draft.queries?.length ? draft.queries : [{}]).forEach(query)
    ;(draft.thresholds ?? []).forEach(threshold)
    const only = (label, el) => field(label, el)
    put(list, only("Title", inputs.title), h("div", { class: "pair" }, only("Type", inputs.type), only("Unit", inputs.unit), only("Width, of 12", inputs.width), only("Height", inputs.height)), only("What it asks", inputs.named), only("Arguments of the question, JSON", inputs.given),
      h("div", { class: "promql form" }, queries, h("button", { type: "button", class: "quiet", onclick: () => query() }, sign("plus", 14), "Query")), h("div", { class: "pair" }, only("Least", inputs.min), only("Most", inputs.max), only("Stacked", inputs.stack)), h("b", {}, "Thresholds"), thresholds, h("button", { type: "button", class: "quiet", onclick: () => threshold() }, sign("plus", 14), "Threshold"), only("Description", inputs.description), words)
    const folds = () => (list.querySelector(".promql").hidden = Boolean(inputs.named.value))
    folds()
    inputs.named.addEventListener("change", folds)

    const made = () => {
      const number = (input) => (input.value === "" ? undefined : Number(input.value))
      const next = { ...draft, title: inputs.title.value.trim(), type: inputs.type.value, unit: inputs.unit.value, width: number(inputs.width), height: number(inputs.height), min: number(inputs.min), max: number(inputs.max), stack: inputs.stack.checked || undefined, description: inputs.description.value || undefined }
      if (inputs.named.value) Object.assign(next, { named: inputs.named.value, with: inputs.given.value ? JSON.parse(inputs.given.value) : undefined, queries: undefined })
      else Object.assign(next, { named: undefined, with: undefined, queries: [...queries.querySelectorAll("[data-query]")].map((el, i) => ({ ...draft.queries?.[i], expr: el.querySelector("textarea").value.trim(), legend: el.querySelector("input").value || undefined })).filter((q) => q.expr) })
      next.thresholds = [...thresholds.querySelectorAll("[data-threshold]")].map((el) => ({ value: Number(el.querySelector("input").value), state: el.querySelector("select").value, text: el.querySelectorAll("input")[1].value || undefined }))
      if (!next.thresholds.length) delete next.thresholds
      next.id ||= this.free(idOf(next.title || next.type))
      return clone(next)
    }
    const preview = async () => {
      words.textContent = ""
      try {
        const next = made(), { view: now } = this.page
        const answer = await this.page.act("widget.preview", { widget: next, variables: this.definition.variables ?? [], choices: now.variables, ...(now.start ? { start: now.start, end: now.end } : { range: now.span || this.definition.range || "1h" }) })
        const card = cardOf({ ...this.page, editing: true, answer, view: now, act: this.page.act, may: this.page.may }, next, { tall: true })
        put(view, card.box)
        card.show(answer)
      } catch (error) {
        words.textContent = told(error)
      }
    }
    const take = () => {
      try {
        const next = made()
        if (widget) for (const row of this.definition.rows) row.widgets = row.widgets.map((w) => (w === widget ? next : w))
        else (this.definition.rows.at(-1) ?? this.definition.rows[this.definition.rows.push({ title: "", widgets: [] }) - 1]).widgets.push(next)
        this.focus = next.id
        shown.close()
        this.show(next)
      } catch (error) {
        words.textContent = error.message
      }
    }
    const shown = dialog(widget ? `Edit ${widget.title}` : "New widget", h("div", { class: "two" }, list, view), { wide: true, actions: [h("button", { type: "button", onclick: preview }, "Preview"), h("button", { type: "button", class: "primary", onclick: take }, "Take over")] })
    if (widget) preview()
  }

  /** Draw again, with the numbers of the widget that was changed. */
  async show(widget) {
    this.touch()
    try {
      const answer = await this.page.act("widget.preview", { widget, variables: this.definition.variables ?? [], choices: this.page.view.variables, range: this.page.view.span || this.definition.range || "1h" })
      this.page.answer = { ...this.page.answer, widgets: { ...this.page.answer?.widgets, ...answer.widgets } }
      this.cards.get(widget.id)?.show(this.page.answer)
    } catch (error) {
      toast(told(error), { bad: true })
    }
  }

  free(id) {
    const taken = new Set(this.definition.rows.flatMap((row) => row.widgets.map((w) => w.id)))
    let name = id
    for (let i = 2; taken.has(name); i += 1) name = `${id}-${i}`
    return name
  }

  yaml() {
    const area = h("textarea", { class: "yaml", spellcheck: false, "aria-label": "The definition" }), words = h("p", { class: "words", role: "alert", style: { "white-space": "pre-wrap" } })
    area.value = this.changed || !this.page.layout?.text || this.version === null ? JSON.stringify(this.definition, null, 2) : this.page.layout.text
    const save = async () => {
      try {
        await this.send(area.value, "edited as text")
      } catch (error) {
        words.textContent = told(error)
      }
    }
    const body = h("div", { class: "form", style: { flex: 1, display: "flex", "flex-direction": "column" } }, h("p", { class: "hint" }, "YAML or JSON, as the files in config/dashboards; docs/dashboards.md explains every key. Saving checks it first."), area, words)
    dialog(`${this.definition.title}, as text`, body, { wide: true, actions: [h("button", { type: "button", class: "primary", onclick: save }, "Save")] })
  }

  async history() {
    if (this.version === null) return toast("It is not saved yet.")
    const list = h("div", { class: "items" }, "Asking …")
    dialog("Versions", list)
    try {
      const { versions } = await this.page.act("board.versions", { board: this.definition.name })
      put(list, versions.map((v) => h("div", { class: "item" }, h("div", { class: "top" }, h("span", { class: "what" }, `Version ${v.version}${v.version === this.version ? ", this one" : ""}`), h("small", {}, [v.saved_by ?? v.by, v.saved_at ?? v.at].filter(Boolean).join(", ") || "the file"),
        v.version === this.version ? null : h("button", { type: "button", onclick: async () => {
          try {
            await this.page.act("board.restore", { board: this.definition.name, version: v.version })
            this.leave(this.definition.name)
          } catch (error) {
            toast(told(error), { bad: true })
          }
        } }, "Restore")), v.comment ? h("small", {}, text(v.comment)) : null)))
    } catch (error) {
      put(list, told(error))
    }
  }

  save() {
    ask("Save", [field("What did you change?", h("input", { name: "comment", required: true, maxlength: 1000, autocomplete: "off" }))], ({ comment }) => this.send(this.definition, comment), { hint: "Every version is kept with your name; any of them can be restored." })
  }

  async send(definition, comment) {
    try {
      const saved = await this.page.act("board.save", { definition, comment, ...(this.version === null ? {} : { version: this.version }) })
      toast("Saved.")
      this.leave(saved.id)
    } catch (error) {
      if (error.reason === "conflict") throw new Error(`${error.message} Copy your text ("As text"), leave, and make your change in the newest version.`)
      throw new Error(told(error))
    }
  }
}

/** What is wrong, with line and key when it is the definition. */
function told(error) {
  const found = Array.isArray(error.detail) ? error.detail : []
  return [error.message, ...found.slice(0, 8).map((p) => [p.line ? `line ${p.line}` : null, p.key, p.message, p.hint].filter(Boolean).join(": "))].filter((line, i, all) => all.indexOf(line) === i).join("\n")
}
