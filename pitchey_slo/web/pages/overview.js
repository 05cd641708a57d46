// Alerts, error budgets and the watchdog, renewed every fifteen seconds with the token of this tab.
"use strict";
const $ = (id) => document.getElementById(id);
let token = sessionStorage.getItem("pitchey-slo-token");

function make(tag, value, kind) {
  const made = document.createElement(tag);
  if (value instanceof Node) made.append(value);
  else made.textContent = value;
  if (kind) made.className = kind;
  return made;
}

function fill(into, found, cells, empty) {
  const rows = found.map((each) => {
    const row = document.createElement("tr");
    row.append(...cells(each));
    return row;
  });
  if (!rows.length) {
    const cell = make("td", empty, "quiet");
    cell.colSpan = 8;
    rows.push(make("tr", cell));
  }
  into.replaceChildren(...rows);
}

async function ask(path) {
  const answer = await fetch(path, { headers: { Authorization: "Bearer " + token } });
  if (answer.status === 401) { token = null; sessionStorage.removeItem("pitchey-slo-token"); }
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer.json();
}

const percent = (part, digits) => (part === null ? "–" : (100 * part).toFixed(digits) + " %");
const rate = (burn) => (burn === null || burn === undefined ? "–" : burn.toFixed(1));

function alertRow(alert) {
  const link = make("a", alert.annotations.summary || alert.name);
  link.href = "/alerts/" + encodeURIComponent(alert.id);
  const quiet = alert.silenced_by.length ? "silenced" : alert.inhibited_by.length ? "inhibited" : alert.muted_by.length ? "muted" : "";
  return [make("td", make("span", (alert.severity || "alert") + " · " + alert.state, "pill " + alert.severity)), make("td", link),
    make("td", alert.active_at.slice(0, 16).replace("T", " "), "quiet wide"),
    make("td", quiet || (alert.acked_by ? "taken on by " + alert.acked_by : alert.receivers.join(", ")), "quiet wide")];
}

function sloRow(report) {
  const bar = make("div", "", "bar " + report.state);
  const part = make("i", "");
  part.style.width = Math.max(0, Math.min(100, 100 * (report.budget_left ?? 0))) + "%";
  bar.append(part);
  bar.title = report.sentence;
  const name = make("td", report.display_name);
  name.append(make("div", report.objective + ", " + report.window, "quiet"));
  return [name, make("td", make("span", report.state.replace("_", " "), "pill " + report.state)), make("td", percent(report.budget_left, 0), "number"),
    make("td", bar, "wide"), make("td", percent(report.sli, 3), "number wide"), make("td", percent(report.target, 3), "number wide"),
    make("td", rate(report.burn["1h"]), "number"), make("td", rate(report.burn["6h"]), "number wide")];
}

async function load() {
  $("ask").hidden = Boolean(token);
  $("shown").hidden = !token;
  if (!token) return $("token").focus();
  try {
    const [alerts, watchdog, slos] = await Promise.all(["alerts", "watchdog", "slos"].map((name) => ask("/api/monitoring/" + name)));
    fill($("alerts"), alerts.alerts, alertRow, "Nothing is pending or firing.");
    fill($("watchdog"), watchdog.findings, (f) => [make("td", make("span", f.alert, "pill " + f.severity)), make("td", f.text)], "It sees everything it should, and its channels take what they are sent.");
    fill($("slos"), slos.reports, sloRow, "No SLO is defined.");
    $("said").textContent = [...slos.problems, "as of " + new Date().toISOString().slice(0, 19).replace("T", " ") + " UTC"].join(" · ");
  } catch (error) {
    if (!token) return load();
    $("said").textContent = error.message;
  }
}

$("login").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("pitchey-slo-token", token);
  load();
};
load();
setInterval(() => { if (token && !document.hidden) load(); }, 15000);
