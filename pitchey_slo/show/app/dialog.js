// A window over the page: focus stays inside, Escape closes, focus goes back to where it was.
import { h, sign } from "./dom.js"

/** Shows `content`; returns {close, body}. `closed` is called once it is gone. */
export function dialog(title, content, { wide = false, closed = () => {}, actions = [] } = {}) {
  const before = document.activeElement
  const body = h("div", { class: "dialog-body" }, content)
  const box = h("dialog", { class: wide ? "wide" : "", "aria-label": title },
    h("header", {}, h("h2", {}, title), h("div", { class: "spread" }), ...actions,
      h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: () => close() }, sign("close"))),
    body)
  let open = true
  function close() {
    if (!open) return
    open = false
    box.close()
    box.remove()
    closed()
    if (before?.isConnected) before.focus()
  }
  box.addEventListener("cancel", (event) => (event.preventDefault(), close()))
  box.addEventListener("pointerdown", (event) => event.target === box && close())
  document.getElementById("over").append(box)
  box.showModal()
  return { close, body, box }
}

/** Asks for a few words; `fields` are elements with a name. Calls `go(values)`, stays open while it fails. */
export function ask(title, fields, go, { button = "Save", hint = "" } = {}) {
  const words = h("p", { class: "words", role: "alert" })
  const send = h("button", { class: "primary" }, button)
  const form = h("form", { class: "form" }, hint ? h("p", { class: "hint" }, hint) : null, fields, words,
    h("div", { class: "buttons" }, h("button", { type: "button", class: "quiet", onclick: () => shown.close() }, "Cancel"), send))
  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    send.disabled = true
    words.textContent = ""
    try {
      await go(Object.fromEntries(new FormData(form)))
      shown.close()
    } catch (error) {
      words.textContent = error.message
    } finally {
      send.disabled = false
    }
  })
  const shown = dialog(title, form)
  form.querySelector("input, textarea, select")?.focus()
  return shown
}

/** A labelled field. */
export function field(label, input, hint) {
  return h("label", { class: "field" }, h("span", {}, label), input, hint ? h("small", {}, hint) : null)
}
