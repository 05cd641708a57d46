// The one way anything gets onto the page: elements with text nodes. No markup is ever read from data.

/** What a value says as text; what is missing says "–". */
export function text(value) {
  return value === null || value === undefined ? "–" : String(value)
}

/** An element: h("p", {class: "lead", onclick: go}, "text", other). Strings become text, null nothing. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

/** The same for SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children)
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else if (name === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v)
    else if (name === "href") element.setAttribute("href", safe(value))
    else if (name === "value" && "value" in element) element.value = value
    else element.setAttribute(name, value === true ? "" : text(value))
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map(node))
  return element
}

const node = (child) => (child instanceof Node ? child : document.createTextNode(text(child)))

/** An address that may be followed: of this site or http(s); anything else, such as javascript:, leads nowhere. */
export function safe(address) {
  try {
    return ["http:", "https:"].includes(new URL(address, location.href).protocol) ? String(address) : "#"
  } catch {
    return "#"
  }
}

/** Replace what an element holds. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false).map(node))
  return element
}

/** A small drawn sign; never alone, a word or a label stands beside it. */
export function sign(name, size = 16) {
  const svg = s("svg", { viewBox: "0 0 16 16", width: size, height: size, "aria-hidden": "true", class: "sign" })
  for (const d of SIGNS[name] ?? []) svg.append(s("path", { d }))
  return svg
}

const SIGNS = {
  clock: ["M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z", "M8 4.6V8l2.4 1.6"],
  down: ["M4 6.2 8 10l4-3.8"],
  pause: ["M5.4 3.4v9.2", "M10.6 3.4v9.2"],
  play: ["M5 3.2 12.4 8 5 12.8Z"],
  compare: ["M2.5 10.5c2-5 3.5 1 5.5-3.5s3-3 5.5-3.5", "M2.5 13.3h11"],
  sun: ["M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6Z", "M8 1.4v1.4M8 13.2v1.4M1.4 8h1.4M13.2 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1M12.7 3.3l-1 1M4.3 11.7l-1 1"],
  moon: ["M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6Z"],
  large: ["M9.5 2.5h4v4M6.5 13.5h-4v-4M13.2 2.8 9.4 6.6M2.8 13.2l3.8-3.8"],
  person: ["M8 7.6a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2Z", "M2.8 13.6c.6-2.8 2.6-4 5.2-4s4.6 1.2 5.2 4"],
  edit: ["M3 13l.7-3L10.6 3.1l2.3 2.3L6 12.3Z"],
  close: ["M3.8 3.8l8.4 8.4M12.2 3.8l-8.4 8.4"],
  link: ["M6.6 9.4 9.4 6.6M7.4 4.6l1.2-1.2a2.6 2.6 0 0 1 4 3.6L11 8.4M8.6 11.4l-1.2 1.2a2.6 2.6 0 0 1-4-3.6L5 7.6"],
  plus: ["M8 3v10M3 8h10"],
  bin: ["M3.5 4.5h9M6.3 4.5V3h3.4v1.5M4.6 4.5l.6 8.6h5.6l.6-8.6"],
  search: ["M7 2.6a4.4 4.4 0 1 0 0 8.8 4.4 4.4 0 0 0 0-8.8ZM10.2 10.2l3.4 3.4"],
}
