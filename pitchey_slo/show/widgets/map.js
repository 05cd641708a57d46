// A dot for each place, its area by the value. Outlines: Natural Earth 1:110m (public domain).
import { h, put, s, text } from "../app/dom.js"
import { full } from "../app/format.js"
import { register } from "./register.js"

let world = null
const outlines = () => (world ??= fetch(`${JSON.parse(document.getElementById("boot").textContent).base}app/world.json`).then((answer) => answer.json()))

async function draw(ctx, data) {
  const land = await outlines(), [width, height] = land.size
  const most = Math.max(...data.places.map((p) => p.value ?? 0), 1e-12), link = ctx.links[0]
  const every = [...data.places].sort((a, b) => (b.value ?? 0) - (a.value ?? 0))
  const sorted = every.filter((place) => typeof place.lat === "number" && typeof place.lon === "number")
  const go = (place) => link && ctx.follow(link, { location: place.location ?? place.name, name: place.name, country: place.country })
  const svg = s("svg", { class: "map", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${ctx.widget.title}: ${data.places.length} places` },
    s("path", { class: "land", d: land.land }), s("path", { class: "borders", d: land.borders }),
    sorted.map((place) => {
      const words = `${text(place.name)}${place.country ? `, ${text(place.country)}` : ""}: ${full(place.value, ctx.widget.unit, ctx.widget.decimals)}${place.text ? ` · ${text(place.text)}` : ""}`
      return s("circle", { cx: place.lon + 180, cy: 84 - place.lat, r: 1.6 + 7 * Math.sqrt((place.value ?? 0) / most), tabindex: 0, role: link ? "link" : "img", "aria-label": words, onclick: () => go(place), onkeydown: (event) => event.key === "Enter" && go(place) }, s("title", {}, words))
    }),
    sorted.slice(0, 8).map((place) => s("text", { x: place.lon + 180, y: 84 - place.lat - 3.4 - 7 * Math.sqrt((place.value ?? 0) / most), "text-anchor": "middle" }, text(place.name))))
  put(ctx.el, svg, h("table", { class: "unseen" }, h("tbody", {}, every.map((place) => h("tr", {}, h("th", { scope: "row" }, place.name), h("td", {}, full(place.value, ctx.widget.unit)))))))
  ctx.note(every.length > sorted.length ? `not on the map: ${every.filter((p) => !sorted.includes(p)).map((p) => text(p.name || p.location)).join(", ")}` : "")
}

register("map", { draw, empty: (data) => !data.places?.length })
