// Reports by kind and date, or one of them; asks the API with the token of this tab and puts every text in as text.
"use strict";
const $ = (id) => document.getElementById(id);
const one = location.pathname.split("/").filter(Boolean)[1];
let token = sessionStorage.getItem("pitchey-slo-token");

function make(tag, value, kind) {
  const made = document.createElement(tag);
  if (value instanceof Node) made.append(value);
  else if (Array.isArray(value)) made.append(...value);
  else made.textContent = value;
  if (kind) made.className = kind;
  return made;
}

const row = (...cells) => make("tr", cells);
const pill = (text, kind) => make("span", text, "pill " + (kind || text));
const time = (iso) => (iso ? iso.slice(0, 16).replace("T", " ") : "–");
const lasted = (seconds) => (seconds === null ? "–" : seconds < 60 ? seconds.toFixed(1) + " s" : Math.floor(seconds / 60) + " min " + Math.floor(seconds % 60) + " s");

async function ask(path, method) {
  const answer = await fetch(path, { method: method || "GET", headers: { Authorization: "Bearer " + token } });
  if (answer.status === 401) { token = null; sessionStorage.removeItem("pitchey-slo-token"); }
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer;
}

function given(run) {
  return Object.entries(run.parameters).filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]) => name + ": " + (typeof value === "string" ? value : JSON.stringify(value))).join(", ") || "–";
}

// The page of a report opens in a tab of its own: a sandbox that has no origin, by an address that lasts ten minutes.
function openButton(run) {
  const button = make("button", "open", "plain");
  button.type = "button";
  button.onclick = () => told(async () => {
    const tab = window.open("", "_blank");
    if (tab) tab.opener = null;
    const path = (await (await ask("/api/monitoring/reports/" + encodeURIComponent(run.id) + "/link", "POST")).json()).path;
    if (tab) tab.location.replace(path); else location.assign(path);
  });
  return button;
}

function saveButton(run) {
  const button = make("button", "notebook", "plain");
  button.type = "button";
  button.onclick = () => told(async () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await (await ask("/api/monitoring/reports/" + encodeURIComponent(run.id) + "/notebook")).blob());
    link.download = run.id + "-" + run.notebook + ".ipynb";
    link.click();
  });
  return button;
}

function doors(run, inside) {
  const found = [];
  if (run.has_html) found.push(openButton(run));
  if (run.has_output) found.push(saveButton(run));
  if (!inside) {
    const link = make("a", "details");
    link.href = "/reports/" + encodeURIComponent(run.id);
    found.push(link);
  }
  return make("div", found, "doors");
}

function state(run) {
  const cell = make("div", pill(run.status));
  if (run.status === "running" && run.progress.total) {
    const bar = document.createElement("progress");
    bar.max = run.progress.total;
    bar.value = run.progress.done;
    cell.append(" ", bar, make("span", " " + run.progress.done + " of " + run.progress.total + " cells", "quiet"));
  } else if (run.status === "running" && run.progress.waiting) {
    cell.append(make("span", " number " + run.progress.waiting + " in line", "quiet"));
  }
  if (run.error) cell.append(make("div", (run.failed_cell ? "cell " + run.failed_cell + ": " : "") + run.error, "quiet"));
  return cell;
}

function sent(run) {
  if (!run.delivery.length) return make("span", "–", "quiet");
  return make("div", run.delivery.map((d) => {
    const good = d.state === "sent" || d.state === "merged";
    const line = make("div", pill(good ? d.state : "lost: " + d.state, good ? "sent" : "lost"));
    line.append(make("span", " " + [d.receiver, d.channel].filter(Boolean).join(" ") + (d.at ? ", " + time(d.at) : ""), "quiet"));
    line.title = d.answer || "";
    return line;
  }));
}

function runRow(run) {
  return row(make("td", time(run.started_at), "time"), make("td", state(run)), make("td", pill(run.verdict)),
    make("td", given(run), "wide any"), make("td", run.schedule || run.trigger, "wide"), make("td", sent(run), "wide"), make("td", doors(run)));
}

function kindOf(kind, found) {
  const head = make("thead", row(...["started (UTC)", "status", "data"].map((t) => make("th", t)),
    ...["parameters", "asked by", "sent"].map((t) => make("th", t, "wide")), make("th", "")));
  const table = make("table", [head, make("tbody", found.map(runRow))]);
  return make("section", [make("h2", kind.title), make("p", kind.notebook, "quiet"), make("div", table, "scroll")]);
}

function scheduleRow(s) {
  const kind = !s.enabled ? "off" : s.dead ? "dead" : s.last ? s.last.state : "off";
  const cell = make("td", pill(s.enabled && !s.dead && !s.last ? "not yet due" : kind, kind));
  if (s.trouble) cell.append(make("div", s.trouble, "quiet"));
  return row(make("td", s.name), cell, make("td", time(s.next_at), "time"), make("td", time(s.last_success), "time wide"),
    make("td", s.cron + " " + s.timezone, "quiet wide"));
}

async function list() {
  const query = new URLSearchParams();
  for (const name of ["kind", "status"]) if ($(name).value) query.set(name, $(name).value);
  const [found, scheduled] = await Promise.all(["/api/monitoring/reports?" + query, "/api/monitoring/reports/schedules"].map(async (p) => (await ask(p)).json()));
  $("scheduled").hidden = !scheduled.schedules.length && !scheduled.problem;
  $("schedules").replaceChildren(...scheduled.schedules.map(scheduleRow));
  $("trouble").hidden = !scheduled.problem;
  $("trouble").textContent = scheduled.problem || "";
  if ($("kind").options.length !== found.kinds.length + 1) {
    const chosen = $("kind").value;
    $("kind").replaceChildren(new Option("all", ""), ...found.kinds.map((k) => new Option(k.title, k.notebook)));
    $("kind").value = chosen;
  }
  const groups = found.kinds.map((k) => [k, found.runs.filter((r) => r.notebook === k.notebook && r.title === k.title)]).filter(([, runs]) => runs.length);
  $("kinds").replaceChildren(...groups.map(([k, runs]) => kindOf(k, runs)));
  $("said").textContent = (found.runs.length ? found.runs.length + (found.more ? " newest" : "") + " runs" : "No report has been run yet: pitchey-slo report run slo") +
    (scheduled.built_in ? "" : " · schedules are run by systemd's timers") + " · times are UTC";
}

async function single() {
  const found = await (await ask("/api/monitoring/reports/" + encodeURIComponent(decodeURIComponent(one)))).json();
  const run = found.run;
  document.title = run.title + " · " + time(run.started_at);
  $("title").textContent = run.title;
  $("state").replaceChildren(state(run), make("span", time(run.started_at) + " UTC, took " + lasted(run.seconds), "quiet"));
  $("summary").textContent = run.summary || "";
  $("doors").replaceChildren(...doors(run, true).childNodes);
  $("data").replaceChildren(pill(run.verdict), " " + ((run.freshness.problems || []).join(" ") || (run.freshness.tables || []).map((t) => t.table + " up to " + time(t.newest)).join(", ")));
  $("changed").hidden = !found.changes.length;
  $("changes").replaceChildren(...found.changes.map((c) => row(make("td", c.label), make("td", c.then_text, "number"), make("td", c.now_text, "number"), make("td", c.words, "number"), make("td", pill(c.verdict)))));
  $("against").textContent = !found.facts.length ? "This report keeps no key numbers." : !found.previous ? "This is the first report of its kind." :
    "Against the run of " + time(found.previous.started_at) + " UTC with the same parameters" + (found.same.length ? "; as before: " + found.same.join(", ") : "") + ".";
  $("delivery").replaceChildren(...(run.delivery.length ? run.delivery.map((d) => row(make("td", pill(d.state, d.state === "sent" || d.state === "merged" ? "sent" : "lost")), make("td", d.kind.replace("_", " ")),
    make("td", [d.receiver, d.channel].filter(Boolean).join(" ") || "nobody"), make("td", time(d.at), "time"), make("td", d.answer || ""))) : [row(make("td", "Nobody was sent it.", "quiet"))]));
  const about = [["run", run.id], ["notebook", run.notebook + " (" + run.notebook_hash.slice(0, 12) + ")"], ["parameters", given(run)], ["asked by", run.schedule ? run.schedule + ", due " + time(run.due_at) : run.trigger],
    ["attempt", String(run.attempts) + (run.rerun_of ? ", repeats " + run.rerun_of : "")], ["newest event", time(run.data_watermark)], ["secrets masked", run.masked === null ? "not searched" : run.masked + (run.masked ? ": " + run.masked_names.join(", ") : "")]];
  $("run").replaceChildren(...about.map(([name, value]) => row(make("td", name, "quiet"), make("td", value))));
}

async function told(work) {
  try {
    await work();
  } catch (error) {
    if (!token) return load();
    $("said").textContent = error.message;
    if (one) $("state").textContent = error.message;
  }
}

async function load() {
  $("ask").hidden = Boolean(token);
  $("list").hidden = !token || Boolean(one);
  $("one").hidden = !token || !one;
  if (!token) return $("token").focus();
  await told(one ? single : list);
}

$("login").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("pitchey-slo-token", token);
  load();
};
$("choose").onchange = load;
$("choose").onsubmit = (event) => event.preventDefault();
load();
setInterval(() => { if (token && !document.hidden) load(); }, 10000);
