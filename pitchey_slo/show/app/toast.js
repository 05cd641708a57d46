// A sentence that appears, is read out, and goes away.
import { h, sign } from "./dom.js"

export function toast(words, { bad = false, seconds = bad ? 12 : 5 } = {}) {
  const box = h("div", { class: `toast ${bad ? "bad" : ""}`, role: bad ? "alert" : null }, h("span", {}, words),
    h("button", { type: "button", class: "icon", "aria-label": "Dismiss", onclick: () => box.remove() }, sign("close", 14)))
  document.getElementById("toasts").append(box)
  setTimeout(() => box.remove(), seconds * 1000)
}
