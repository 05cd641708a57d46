// Text: paragraphs, headings, lists, **strong**, `code` and [links](https://...). No markup of HTML is read.
import { h, put } from "../app/dom.js"
import { register } from "./register.js"

function draw(ctx, data) {
  const blocks = String(data.text ?? "").split(/\n\s*\n/)
  put(ctx.el, h("div", { class: "prose scroll" }, blocks.map(block)))
}

function block(source) {
  const lines = source.split("\n").filter((l) => l.trim())
  if (!lines.length) return null
  if (lines.every((l) => /^\s*[-*] /.test(l))) return h("ul", {}, lines.map((l) => h("li", {}, inline(l.replace(/^\s*[-*] /, "")))))
  const heading = /^#{1,4} (.*)/.exec(lines[0])
  if (heading) return [h("h4", {}, inline(heading[1])), lines.length > 1 ? h("p", {}, inline(lines.slice(1).join(" "))) : null]
  return h("p", {}, inline(lines.join(" ")))
}

function inline(source) {
  return source.split(/(\*\*[^*]+\*\*|`[^`]+`|\[[^\]]+\]\([^)\s]+\))/).map((part) => {
    const link = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part)
    if (link) return h("a", { href: link[2] }, link[1])
    if (part.startsWith("**") && part.endsWith("**") && part.length > 4) return h("strong", {}, part.slice(2, -2))
    if (part.startsWith("`") && part.endsWith("`") && part.length > 2) return h("code", {}, part.slice(1, -1))
    return part
  })
}

register("markdown", { draw, empty: () => false })
