"""The pages in a real browser: what people do on them, and that nothing that data say is run or asked for elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pitchey_slo.settings import shipped
from tests.web.test_alerts import ROUTES, made

from .conftest import Place, shown, until

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the Debian package chromium")

HOSTILE = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>"
OFF = '"><img src=http://evil.example/x>'
BOARD = """\
title: Mine
role: viewer
order: 1
variables: [{name: route, label: Route, query: 'label_values(pitchey_http_requests_total, route)', all: true}]
rows:
  - title: Numbers
    widgets:
      - {id: count, type: number, title: Requests, width: 3,
         queries: [{expr: 'sum(last_over_time(TOTAL{route=~"$route"}[1h]))'}]}
      - {id: gauge, type: gauge, title: Gauge, width: 3, min: 0, max: 100, queries: [{expr: sum(TOTAL)}],
         thresholds: [{value: 0, state: ok}, {value: 10, state: warning, text: HOSTILE}]}
      - {id: bars, type: bar, title: By route, width: 6, queries: [EACH],
         links: [{title: Only this, to: mine, with: {route: '{{route}}'}}]}
      - {id: line, type: line, title: Over time, width: 6, queries: [EACH]}
      - {id: heat, type: heatmap, title: Heat, width: 6, queries: [EACH]}
      - {id: table, type: table, title: Table, width: 6, queries: [EACH]}
      - {id: words, type: markdown, title: HOSTILE, text: '**HOSTILE** [go](javascript:alert(1))'}
      - {id: alerts, type: alerts, title: Alerts, width: 12, height: 8, named: alerts, with: {state: all}}
"""
QUEUE = "groups:\n- name: g\n  rules:\n  - {alert: Queue, expr: queue > 0.6, for: 2m, labels: {severity: warning}}\n"
EACH = "{expr: 'sum by (route) (last_over_time(TOTAL[1h]))', legend: '{{route}}'}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pages")
    config = folder / "config"
    shutil.copytree(shipped("config") / "dashboards", config / "dashboards")
    text = BOARD.replace("HOSTILE", "<img src=x onerror=document.title=1>").replace("EACH", EACH)
    (config / "dashboards" / "mine.yml").write_text(text.replace("TOTAL", "pitchey_http_requests_total"))
    for name, text in (("routes/routes.yml", ROUTES), ("rules/queue.yml", QUEUE), ("slos/none.yaml", "")):
        (config / name).parent.mkdir(parents=True)
        (config / name).write_text(text)
    with shown(folder, anonymous="operator", config=config) as it:
        now = time.time()
        events: list[dict[str, Any]] = [
            {"ts": now - 40 - i, "route": ["/a", "/b", f"/{HOSTILE}"][i % 3], "status": 200, "duration_ms": 5.0,
             "location": ["fra", OFF][i % 2]} for i in range(90)
        ]  # fmt: skip
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 30))
        log = {
            "ts": stamp,
            "level": "error",
            "service": HOSTILE,
            "message": HOSTILE + OFF,
            "attributes": json.dumps({HOSTILE: OFF}),
        }
        incident = {
            "id": HOSTILE,
            "kind": "deployment",
            "title": HOSTILE,
            "started_at": stamp,
            "severity": "warning",
            "labelled_by": HOSTILE,
        }
        with it.server.client(it.server.token("ingest", "alert", "read", "admin", name=HOSTILE[:60])) as client:
            assert client.post("/api/monitoring/events", json=events).status_code == 200
            assert client.post("/api/monitoring/events/logs", json=[log]).status_code == 200
            assert client.post("/api/monitoring/events/incidents", json=[incident]).status_code == 200
            minute = int(now) // 60 * 60
            queue = "".join(f"queue {0.9 if i % 100 < 10 else 0.1} {minute - 60 * i}\n" for i in range(650, 20, -1))
            openmetrics = {"content-type": "application/openmetrics-text"}
            path = "/api/monitoring/metrics?backfill=true"
            assert client.post(path, content=queue + "# EOF\n", headers=openmetrics).status_code == 200
            for name in ("Pay " + HOSTILE, "Second"):
                made(client, name, severity="critical", labels={"team": HOSTILE, "off": OFF})
            silence = {"matchers": ['team="none"'], "comment": HOSTILE, "minutes": 5, "by": HOSTILE}
            assert client.post("/api/monitoring/silences", json=silence).status_code == 201
        yield it


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        it = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield it
        it.close()


class Tab:
    """A page that remembers what it asked for and what went wrong."""

    def __init__(self, browser: Any, place: Place, **given: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **given)
        self.page = self.context.new_page()
        self.page.set_default_timeout(40_000)
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type == "error" else None)
        self.place = place

    def go(self, path: str) -> Any:
        self.page.goto(self.place.url + path)
        self.page.wait_for_selector('main#board[aria-busy="false"]')
        self.page.locator(".body.loading").first.wait_for(state="detached")
        return self.page

    def check(self) -> None:
        assert self.page.title() != "hit" and not self.page.query_selector("#board img, #over img, #board script")
        strange = [
            u for u in self.asked if not u.startswith((self.place.url, "ws" + self.place.url[4:], "blob:", "data:"))
        ]
        assert strange == [] and self.wrong == []


@pytest.fixture
def tab(browser: Any, place: Place) -> Iterator[Tab]:
    it = Tab(browser, place)
    yield it
    it.context.close()


def test_drill_down_large_range_and_back_all_in_the_address(tab: Tab) -> None:
    from playwright.sync_api import expect

    page = tab.go("/show/mine?range=15m")
    expect(page.locator('[data-widget="count"] .figure')).to_contain_text("90")
    page.locator('[data-widget="line"] .plot svg.main-svg').first.wait_for()
    page.locator('[data-widget="bars"] button', has_text="/a").click()
    expect(page).to_have_url(tab.place.url + "/show/mine?range=15m&var-route=/a")
    expect(page.locator('[data-widget="count"] .figure')).to_contain_text("30")
    page.locator('[data-widget="line"] header button').click()
    expect(page.locator("dialog .origin code")).to_contain_text("sum by (route)")
    expect(page).to_have_url(tab.place.url + "/show/mine?range=15m&var-route=/a&widget=line")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="Time range").click()
    page.get_by_role("menuitemradio", name="6 hours").click()
    page.go_back()
    page.go_back()
    page.go_back()
    page.go_back()
    expect(page.locator('[data-widget="count"] .figure')).to_contain_text("90")
    # dragging over a chart chooses a time
    plot = page.locator('[data-widget="line"] .nsewdrag').bounding_box()
    page.mouse.move(plot["x"] + plot["width"] * 0.3, plot["y"] + 40)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] * 0.7, plot["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_url("**/show/mine?start=*&end=*")
    tab.check()


def test_acknowledge_silence_and_why(tab: Tab) -> None:
    from playwright.sync_api import expect

    page = tab.go("/show/alerts")
    first = page.locator('[data-widget="inbox"] .item', has_text="Pay")
    first.get_by_role("button", name="Acknowledge").click()
    page.fill("dialog input[name=comment]", "on it")
    page.locator("dialog .primary").click()
    expect(first).to_contain_text("taken on by")
    first.get_by_role("button", name="Silence").click()
    page.uncheck('dialog input[name="m:off"]')
    page.select_option("dialog select[name=minutes]", "30")
    page.fill("dialog input[name=comment]", HOSTILE)
    page.locator("dialog .primary").click()
    expect(first).to_contain_text("silenced")
    first.get_by_role("button", name="Why").click()
    expect(page.locator("dialog .timeline li").first).to_be_visible()
    tab.check()
    with tab.place.server.client(tab.place.server.token("read")) as client:
        silences = client.get("/api/monitoring/silences").json()["silences"]
        assert [s["created_by"] for s in silences if s["comment"] == HOSTILE and s["created_by"] != HOSTILE] == [
            "dashboards: not signed in"
        ]
        alerts = client.get("/api/monitoring/alerts?state=all").json()["alerts"]
        assert any(a["acked_by"] == "dashboards: not signed in" for a in alerts)


def test_sliders_move_the_numbers_and_a_decision_is_kept(tab: Tab) -> None:
    from playwright.sync_api import expect

    page = tab.go("/show/review")
    threshold = page.get_by_role("slider", name="Threshold")
    threshold.wait_for(timeout=120_000)  # a process of its own works it out
    firings = page.locator(".whatif-numbers div", has_text="firings a week").locator("dd")
    before = firings.inner_text()
    use = page.get_by_role("button", name="Use these numbers")
    expect(use).to_be_disabled()
    threshold.focus()
    page.keyboard.press("End")
    expect(firings).not_to_have_text(before)
    expect(page).to_have_url(re.compile("threshold="))
    chosen = float(re.search(r"threshold=([0-9.]+)", page.url)[1])  # type: ignore[index]
    use.click()
    page.fill("dialog textarea[name=reason]", HOSTILE)
    page.locator("dialog .primary").click()
    expect(page.locator(".review-decided .item")).to_contain_text("decided")
    tab.check()
    with tab.place.server.client(tab.place.server.token("read")) as client:
        [decision] = client.get("/api/monitoring/decisions").json()["decisions"]
    assert decision["reason"] == HOSTILE
    assert decision["state"] == "decided"
    assert f"queue > {chosen:g}" in decision["after"]
    again = Tab(tab.context.browser, tab.place)  # a link shows what its sender saw
    again.page.goto(page.url)
    expect(again.page.get_by_role("slider", name="Threshold")).to_have_value(threshold.input_value(), timeout=120_000)
    again.context.close()


def test_edit_preview_move_by_keyboard_and_save(tab: Tab) -> None:
    from playwright.sync_api import expect

    page = tab.go("/show/mine")
    page.get_by_role("button", name="You").click()
    page.get_by_role("menuitemradio", name="Edit this board").click()
    page.get_by_role("toolbar").wait_for()
    card = page.locator('.editing [data-widget="gauge"]')
    card.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_role("button", name="Widget", exact=True).click()
    page.get_by_label("Title", exact=True).fill("Doubled")
    page.locator("dialog select").first.select_option("number")
    page.get_by_label("PromQL", exact=True).fill("2 * sum(last_over_time(pitchey_http_requests_total[1h]))")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("dialog .large .figure")).to_contain_text("180")
    page.get_by_role("button", name="Take over").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.fill("dialog input[name=comment]", "a doubled number")
    with page.expect_navigation():
        page.locator("dialog .primary").click()
    expect(page.locator('body:not(.editing) [data-widget="doubled"] .figure')).to_contain_text("180")
    with tab.place.server.client(tab.place.server.token("read")) as client:
        found = client.get("/api/monitoring/dashboards/mine/definition").json()
        widgets = found["definition"]["rows"][0]["widgets"]
        assert [w["id"] for w in widgets][:2] == ["gauge", "count"] and widgets[0]["width"] == 4
        versions = client.get("/api/monitoring/dashboards/mine/versions").json()["versions"]
        assert versions[0]["comment"] == "a doubled number"
    tab.check()


def test_hostile_values_on_every_page_run_nothing_and_nothing_is_asked_elsewhere(tab: Tab) -> None:
    names = [p.stem for p in (shipped("config") / "dashboards").glob("*.yml")]
    page = tab.go("/show/mine")
    for name in names:
        page.evaluate("board => { window.pitchey.go({ board, variables: {} }) }", name)
        page.locator('main#board[aria-busy="false"] .card').first.wait_for()
        page.locator(".body.loading").first.wait_for(state="detached")
        page.wait_for_timeout(150)
        tab.check()
        said = page.text_content("#board") or ""
        assert "could not be drawn" not in said, name
        for plot in page.query_selector_all(".plot")[:1]:
            plot.hover()
    assert "document.title='hit'" in (tab.go("/show/logs").text_content("#board") or "")
    page.locator(".logline").first.click()
    page.locator("dialog").wait_for()
    tab.check()


def test_keyboard_phone_dark_and_reduced_motion(browser: Any, place: Place) -> None:
    tab = Tab(browser, place, color_scheme="dark", reduced_motion="reduce")
    page = tab.go("/show/mine")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the board"
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "menuitemradio"
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") != first
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= 375")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, a, input')].filter(e => e.offsetParent && "
        "!(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.className)"
    )
    assert unnamed == []
    tab.check()
    tab.context.close()


def test_points_are_put_together_as_a_slow_merge_does(tab: Tab) -> None:
    page = tab.go("/show/mine")
    held = {
        "times": [1, 2, 3, 4],
        "series": [
            {"name": "a", "labels": {}, "values": [1, 2, None, 4]},
            {"name": "gone", "labels": {}, "values": [9, None, None, None]},
        ],
    }
    more = {
        "append": True,
        "times": [4, 5],
        "series": [
            {"name": "a", "labels": {}, "values": [40, 50]},
            {"name": "new", "labels": {"x": "1"}, "values": [None, 7]},
        ],
    }
    answer = {"range": {"start": 0}, "watermark": 1, "widgets": {"w": held}}
    new = {"range": {"start": 2}, "watermark": 2, "widgets": {"w": more}}
    got = page.evaluate(
        "async ([a, b, base]) => { const m = await import(base + 'app/merge.js'); m.merge(a, b); return a }",
        [answer, new, page.evaluate("JSON.parse(document.getElementById('boot').textContent).base")],
    )
    points = {
        (s["name"], t): v
        for d in (held, more)
        for s in d["series"]
        for t, v in zip(d["times"], s["values"], strict=True)
    }
    times = sorted(t for t in {*held["times"], *more["times"]} if t >= 2)
    slow = {n: [points.get((n, t)) for t in times] for n in ("a", "new")}
    widget = got["widgets"]["w"]
    assert widget["times"] == times and {s["name"]: s["values"] for s in widget["series"]} == slow
    assert got["watermark"] == 2 and "append" not in widget


def test_the_page_comes_back_after_the_process_was_killed(tab: Tab) -> None:
    from playwright.sync_api import expect

    page = tab.go("/show/mine?range=15m")
    pid = tab.place.screens.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    expect(page.locator(".banner")).to_be_visible(timeout=60_000)
    until(lambda: tab.place.screens.up and tab.place.screens.pid != pid)
    expect(page.locator(".banner")).to_have_count(0, timeout=90_000)
    expect(page.locator('[data-widget="count"] .figure')).to_contain_text("90")
    tab.wrong.clear()  # the browser tells what it could not reach meanwhile
    tab.check()
    assert page.url.endswith("/show/mine?range=15m")
