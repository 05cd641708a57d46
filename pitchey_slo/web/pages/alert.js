// One alert: asks the API with the token of this tab and puts every text in as text.
"use strict";
const $ = (id) => document.getElementById(id);
const id = decodeURIComponent(location.pathname.split("/").pop());
const base = "/api/monitoring/alerts/" + encodeURIComponent(id);
let token = sessionStorage.getItem("pitchey-slo-token");

function text(tag, value, kind) {
  const made = document.createElement(tag);
  made.textContent = value;
  if (kind) made.className = kind;
  return made;
}

function rows(into, found, cells) {
  into.replaceChildren(...found.map((each) => {
    const row = document.createElement("tr");
    row.append(...cells(each));
    return row;
  }));
}

const time = (iso) => (iso ? iso.slice(0, 19).replace("T", " ") : "");

async function ask(path, body) {
  const options = { headers: { Authorization: "Bearer " + token } };
  if (body) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (answer.status === 401) { token = null; sessionStorage.removeItem("pitchey-slo-token"); }
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer;
}

function show(found) {
  const alert = found.alert;
  const firing = alert.state === "firing";
  document.title = alert.state + ": " + alert.name;
  $("title").textContent = alert.annotations.summary || alert.name;
  $("state").textContent = alert.name + " · " + (alert.severity || "no severity") + " · " + alert.state;
  $("state").className = "pill " + (alert.state === "resolved" ? "resolved" : alert.severity);
  $("since").textContent = "since " + time(alert.active_at) + " UTC" + (alert.resolved_at ? ", until " + time(alert.resolved_at) + " UTC" : "") +
    (alert.acked_by ? "; taken on by " + alert.acked_by : "");
  $("sentence").textContent = found.sentence;
  $("description").textContent = alert.annotations.description || "";
  for (const name of ["acknowledge", "silence", "length"]) $(name).hidden = !firing;
  $("resolve").hidden = alert.state === "resolved";
  $("acknowledge").hidden = !firing || Boolean(alert.acked_by);
  $("comment").hidden = alert.state === "resolved";
  rows($("decisions"), found.decisions, (d) => [text("td", time(d.at), "time"), text("td", d.kind, "kind"), text("td", d.text)]);
  rows($("messages"), found.notifications, (n) => [text("td", time(n.sent_at || n.created_at), "time"), text("td", n.receiver + " " + n.channel, "kind"),
    text("td", n.action + ": " + n.state + (n.answer ? ", " + n.answer : ""))]);
  const rule = found.rule || {};
  $("rule").replaceChildren(...(rule.expr ? [text("code", rule.expr), text("span", found.value === null ? "" : " = " + found.value)] : [text("span", "sent by " + alert.source, "quiet")]));
  rows($("labels"), Object.entries(alert.labels).sort(), ([name, value]) => [text("td", name, "time"), text("td", value)]);
  const links = [];
  for (const [name, shown] of [["runbook_url", "Runbook"], ["dashboard_url", "Dashboard"]]) {
    const address = alert.annotations[name];
    if (!address || !/^(https?:\/\/|\/[^/])/.test(address)) continue;
    const link = text("a", shown);
    link.href = address;
    link.rel = "noreferrer";
    links.push(link);
  }
  if (found.decisions.some((d) => d.kind === "investigated" && d.detail.html)) {
    const button = text("button", "Save the investigation");
    button.onclick = () => told(async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await (await ask(base + "/investigation")).blob());
      link.download = "investigation-" + id + ".html";
      link.click();
      return "saved; open it from your downloads";
    });
    links.push(button);
  }
  $("links").replaceChildren(...links);
}

async function load() {
  $("ask").hidden = Boolean(token);
  $("shown").hidden = !token;
  if (!token) return $("token").focus();
  try {
    show(await (await ask(base + "/why")).json());
  } catch (error) {
    if (!token) return load();
    $("sentence").textContent = error.message;
  }
}

async function told(act) {
  try {
    $("said").textContent = await act();
  } catch (error) {
    $("said").textContent = error.message;
  }
}

$("login").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("pitchey-slo-token", token);
  load();
};
for (const [button, verb, done] of [["acknowledge", "ack", "taken on: the escalation stops"], ["resolve", "resolve", "resolved"]]) {
  $(button).onclick = () => told(async () => {
    await ask(base + "/" + verb, { comment: $("comment").value });
    await load();
    return done;
  });
}
$("silence").onclick = () => told(async () => {
  const alert = (await (await ask(base)).json());
  const matchers = Object.entries(alert.labels).map(([name, value]) => JSON.stringify(name) + "=" + JSON.stringify(value));
  await ask("/api/monitoring/silences", { matchers, comment: $("comment").value || "silenced from the alert's page", minutes: Number($("length").value) });
  await load();
  return "silenced";
});
load().then(() => { if (location.hash && !$("shown").hidden) $(location.hash.slice(1))?.focus(); });
setInterval(() => { if (token && !document.hidden) load(); }, 15000);
