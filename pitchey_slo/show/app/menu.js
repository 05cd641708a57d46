// A button that opens a list, by mouse and by keyboard: arrows, Home, End, Escape; Tab leaves it.
import { h, sign } from "./dom.js"

/** items: [{label, hint, current, go}] or {heading} or an element; `items` may be a function, asked at each opening. */
export function menu(label, items, { icon, title, kind = "", align = "left" } = {}) {
  const words = h("span", { class: "menu-label" }, label)
  const button = h("button", { type: "button", class: `quiet ${kind}`, "aria-haspopup": "true", "aria-expanded": "false", title, "aria-label": title ? `${title}: ${label}` : null }, icon ? sign(icon) : null, words, sign("down", 12))
  const list = h("div", { class: `menu ${align}`, role: "menu", hidden: true })
  const box = h("div", { class: "menu-box" }, button, list)
  const entries = () => [...list.querySelectorAll("[role^=menuitem], input, button")]

  function open() {
    list.replaceChildren(...(typeof items === "function" ? items() : items).map(entry))
    list.hidden = false
    button.setAttribute("aria-expanded", "true")
    const found = entries()
    ;(found.find((e) => e.getAttribute("aria-checked") === "true") ?? found[0])?.focus()
    document.addEventListener("pointerdown", outside)
  }
  function close(back = true) {
    if (list.hidden) return
    list.hidden = true
    button.setAttribute("aria-expanded", "false")
    document.removeEventListener("pointerdown", outside)
    if (back) button.focus()
  }
  const outside = (event) => box.contains(event.target) || close(false)
  function entry(item) {
    if (item instanceof Node) return item
    if (item.heading) return h("div", { class: "menu-heading", role: "presentation" }, item.heading)
    return h("button", { type: "button", role: "menuitemradio", "aria-checked": String(Boolean(item.current)), tabindex: -1, onclick: () => (close(), item.go()) },
      h("span", {}, item.label), item.hint ? h("small", {}, item.hint) : null)
  }
  button.addEventListener("click", () => (list.hidden ? open() : close()))
  button.addEventListener("keydown", (event) => {
    if (["ArrowDown", "ArrowUp"].includes(event.key)) (event.preventDefault(), open())
  })
  list.addEventListener("keydown", (event) => {
    const found = entries(), at = found.indexOf(document.activeElement)
    const typing = document.activeElement?.tagName === "INPUT"
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: typing ? null : 0, End: typing ? null : found.length - 1 }[event.key]
    if (event.key === "Escape") (event.stopPropagation(), close())
    else if (event.key === "Tab") close(false)
    else if (to !== undefined && to !== null) (event.preventDefault(), found[(to + found.length) % found.length]?.focus())
  })
  box.close = close
  box.say = (word) => {
    words.textContent = word
    if (title) button.setAttribute("aria-label", `${title}: ${word}`)
  }
  return box
}
