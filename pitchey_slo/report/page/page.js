"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const plots = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Figures bring neutral greys; in the page they take its ink and its lines.
  const theme = (layout) => {
    const change = { "font.color": colour("--ink-soft"), "hoverlabel.bgcolor": colour("--paper"), "hoverlabel.bordercolor": colour("--line"), "hoverlabel.font.color": colour("--ink") };
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis\d*$/.test(key)) continue;
      change[key + ".gridcolor"] = colour("--grid");
      change[key + ".linecolor"] = colour("--line");
      change[key + ".zerolinecolor"] = colour("--line");
    }
    return change;
  };

  // A phone has no room beside the line for its label and none above the plot for tools.
  const narrow = (layout, width) => {
    if (width >= 600) return;
    layout.margin = Object.assign({}, layout.margin, { l: 44, r: 12 });
    layout.annotations = (layout.annotations || []).filter((a) => !(a.name || "").startsWith("wide"));
    layout.showlegend = layout.showlegend || Boolean(layout.meta && layout.meta.narrow_legend);
  };

  const draw = async (box) => {
    const div = box.querySelector(".plot");
    const figure = JSON.parse(box.querySelector("script").textContent);
    const layout = figure.layout || {};
    delete layout.width;
    narrow(layout, div.clientWidth);
    await Plotly.newPlot(div, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: false, topojsonURL: "", plotlyServerURL: "" });
    await Plotly.relayout(div, theme(div.layout));
    plots.push(div);
  };

  const boxes = [...document.querySelectorAll(".figure")];
  Promise.all(boxes.map(draw)).then(() => document.documentElement.setAttribute("data-drawn", String(plots.length)));
  dark.addEventListener("change", () => plots.forEach((div) => Plotly.relayout(div, theme(div.layout))));

  // Charts keep the width they were drawn with; paper has another.
  const fit = () => plots.forEach((div) => Plotly.Plots.resize(div));
  window.addEventListener("beforeprint", fit);
  window.addEventListener("afterprint", fit);

  const button = document.getElementById("code");
  button.hidden = !document.querySelector("details.code");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    button.textContent = open ? "Hide code" : "Show code";
    document.body.classList.toggle("with-code", open);
    document.querySelectorAll("details.code").forEach((d) => { d.open = open; });
  });
})();
