"""Reports over the API and as a page: what is listed, what changed, who may see what, and schedules inside a server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.report import Asked, Run, find, run_notebook
from pitchey_slo.report.facts import Fact, Facts, write
from pitchey_slo.report.worker import Ending
from pitchey_slo.settings import Settings
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from tests.report.made import broken, notebook, quick

from .conftest import Running, running

ROUTES = "route: {receiver: screen}\nreceivers: [{name: screen, console_configs: [{to: log}]}]\n"
SCHEDULES = """
deliver: {to: [screen]}
schedules:
  - {name: daily, notebook: 10_try, cron: "23 5 * * *", parameters: {window: "${yesterday}"}}
"""
#: What a hostile notebook would have a reader's browser do.
HOSTILE = """<script>
  document.title = "ran";
  fetch("/api/monitoring/reports").then(() => { document.title = "asked" });
  try { document.title = "token " + sessionStorage.getItem("pitchey-slo-token"); }
  catch (e) { document.title += " alone"; }
  new Image().src = "/api/monitoring/reports?leak";
</script>"""


def counted(value: float) -> Any:
    """A worker that leaves a key number."""

    def work(text: str, parameters: Mapping[str, Any], target: Path, env: Mapping[str, str], **more: Any) -> Ending:
        facts = (Fact("errors", "Errors", value, better="down"), Fact("same", "As ever", 1.0))
        write(Facts(facts, summary=f"There were {value:g} errors."), Path(env["PITCHEY_RUN_FACTS"]))
        return quick(text, parameters, target, env, **more)

    return work


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def made(folder: Path) -> dict[str, Run]:
    """Runs as they may be: two to compare, one that failed, one that still goes on, one of another kind."""
    settings = Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "config")
    for name, text in (("routes/routes.yml", ROUTES), ("schedules.yml", SCHEDULES)):
        (folder / "config" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "config" / name).write_text(text)
    (folder / "notebooks").mkdir()
    first = find(str(notebook(folder / "notebooks", "10_try", cells=["print(window)"])))
    other = find(str(notebook(folder / "notebooks", "20_other_report", cells=["1"])))
    clock = FixedClock()
    with fresh_store(folder / "home", clock=clock) as store:
        store.append("requests", rows(count=3))

        def run(of: Any, work: Any, **given: Any) -> Run:
            clock.forward(minutes=5)
            asked = Asked(again=True)
            return run_notebook(of, given, settings, asked=asked, clock=clock, work=work, keep=keep).run

        def keep(run: Run, _: Settings) -> None:
            store.append("report_runs", run.row())
            store.flush()

        found = {"then": run(first, counted(7.0)), "now": run(first, counted(3.0)), "other": run(other, quick)}
        with pytest.raises(Exception, match="failed in cell"):
            run(first, broken, window="1d")
    going = replace(
        found["now"], id="going-on", status="running", ended_at=None, masked=None, started_at=NOON + timedelta(hours=1)
    )
    going = replace(going, output=str(folder / "reports" / "10_try" / "going-on" / "10_try.ipynb"))
    going.folder.mkdir()
    going.write()
    going.tell(done=3, total=9)
    Path(found["other"].html).write_text(f"<title>hostile</title>{HOSTILE}")
    return found


@pytest.fixture(scope="module")
def server(folder: Path, made: dict[str, Run], monkeymodule: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeymodule.chdir(folder)  # its `notebooks` are those that are run
    with running(folder / "home", config=folder / "config", reports=folder / "reports") as it:
        yield it


@pytest.fixture(scope="module")
def monkeymodule() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def reader(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("read")) as client:
        yield client


def test_runs_are_listed_newest_first_and_chosen(reader: httpx.Client, made: dict[str, Run]) -> None:
    every = reader.get("/api/monitoring/reports").json()
    assert every["runs"][0]["id"] == "going-on"
    assert [r["status"] for r in every["runs"]] == ["running", "failed", "succeeded", "succeeded", "succeeded"]
    assert [k["notebook"] for k in every["kinds"]] == ["10_try", "20_other_report"]
    assert every["runs"][0]["progress"] == {"done": 3, "total": 9}
    assert str(Path(made["now"].html).parents[2]) not in json.dumps(every)  # no path of this machine
    other = reader.get("/api/monitoring/reports?kind=other").json()
    assert [r["id"] for r in other["runs"]] == [made["other"].id]
    assert len(reader.get("/api/monitoring/reports?status=failed").json()["runs"]) == 1
    page = reader.get("/api/monitoring/reports?limit=2").json()
    assert (len(page["runs"]), page["more"]) == (2, True)
    rest = reader.get(f"/api/monitoring/reports?before={page['runs'][-1]['started_at']}").json()["runs"]
    assert [r["id"] for r in rest] == [r["id"] for r in every["runs"][2:]]
    assert reader.get("/api/monitoring/reports?limit=many").status_code == 400


def test_one_run_tells_what_changed(reader: httpx.Client, made: dict[str, Run]) -> None:
    found = reader.get(f"/api/monitoring/reports/{made['now'].id}").json()
    assert found["previous"]["id"] == made["then"].id
    [change] = found["changes"]
    assert (change["name"], change["then"], change["now"], change["verdict"]) == ("errors", 7.0, 3.0, "better")
    assert found["same"] == ["As ever"]
    assert found["run"]["summary"] == "There were 3 errors."
    assert reader.get(f"/api/monitoring/reports/{made['then'].id}").json()["previous"] is None
    for unknown in ("nothing", "..%2f..%2fhome", "a" * 200):
        assert reader.get(f"/api/monitoring/reports/{unknown}").status_code == 404


def test_files_are_served_in_a_sandbox_and_only_after_the_search(reader: httpx.Client, made: dict[str, Run]) -> None:
    page = reader.get(f"/api/monitoring/reports/{made['now'].id}/html")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'") and "allow-same-origin" not in policy
    saved = reader.get(f"/api/monitoring/reports/{made['now'].id}/notebook")
    assert "attachment" in saved.headers["content-disposition"]
    assert saved.json()["cells"]
    assert reader.get("/api/monitoring/reports/going-on/html").status_code == 404


def test_a_ticket_opens_one_page_and_nothing_else(server: Running, reader: httpx.Client, made: dict[str, Run]) -> None:
    path = reader.post(f"/api/monitoring/reports/{made['now'].id}/link").json()["path"]
    with server.client() as nobody:
        opened = nobody.get(path)
        assert opened.status_code == 200
        assert "sandbox allow-scripts" in opened.headers["content-security-policy"]
        assert nobody.get(path.replace(made["now"].id, made["then"].id)).status_code == 401
        assert nobody.get(path[:-1] + ("0" if path[-1] != "0" else "1")).status_code == 401
        until, sign = path.rsplit("/", 1)[1].split("-")
        assert nobody.get(f"/reports/{made['now'].id}/page/{int(until) + 9}-{sign}").status_code == 401
        for api in ("", "/schedules", "/dues", f"/{made['now'].id}", f"/{made['now'].id}/html"):
            assert nobody.get(f"/api/monitoring/reports{api}").status_code == 401


def test_a_schedule_runs_when_asked_and_keeps_its_receipt(server: Running, reader: httpx.Client) -> None:
    [standing] = reader.get("/api/monitoring/reports/schedules").json()["schedules"]
    assert (standing["name"], standing["dead"]) == ("daily", False)
    assert reader.post("/api/monitoring/reports/schedules/daily/run").status_code == 403
    with server.client(server.token("admin")) as admin:
        assert admin.post("/api/monitoring/reports/schedules/dally/run").status_code == 404
        due = admin.post("/api/monitoring/reports/schedules/daily/run").json()["due"]
    deadline = time.monotonic() + 90
    while due["receipt"] is None:
        assert time.monotonic() < deadline, due
        time.sleep(0.3)
        due = next(d for d in reader.get("/api/monitoring/reports/dues").json()["dues"] if d["id"] == due["id"])
    assert (due["state"], due["trigger"]) == ("succeeded", "manual")
    run = reader.get(f"/api/monitoring/reports/{due['run_id']}").json()["run"]
    assert run["parameters"]["window"] < due["due_at"][:10]  # yesterday, as a date
    assert [(d["kind"], d["state"], d["channel"]) for d in run["delivery"]] == [
        ("report", "sent", "console/0"),
        ("not_fresh", "sent", "console/0"),
    ]
    assert reader.get("/api/monitoring/watchdog").status_code == 200


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the Debian package chromium")
def test_the_page_shows_reports_and_a_hostile_one_stays_alone(server: Running, made: dict[str, Run]) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
        tab = context.new_page()
        asked: list[str] = []
        # what is answered: a request that the page's policy refuses is announced and never sent
        context.on("response", lambda response: asked.append(response.url))
        tab.goto(f"{server.url}/reports")
        tab.fill("#token", server.token("read"))
        tab.click("#login button")
        expect(tab.locator("#kinds")).to_contain_text("3 of 9 cells", timeout=30_000)
        expect(tab.locator("#schedules")).to_contain_text("daily")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.goto(f"{server.url}/reports/{made['now'].id}")
        expect(tab.locator("#changes")).to_contain_text("Errors", timeout=30_000)
        expect(tab.locator("#summary")).to_have_text("There were 3 errors.")
        tab.goto(f"{server.url}/reports/{made['other'].id}")
        asked.clear()
        with context.expect_page() as opening:
            tab.get_by_role("button", name="open").click()
        hostile = opening.value
        hostile.wait_for_url("**/page/*")
        hostile.wait_for_function("document.title.startsWith('ran')")
        assert hostile.title() == "ran alone"  # it ran, and reached neither the token nor the API
        assert [url for url in asked if "leak" in url or url.endswith("/api/monitoring/reports")] == []
        assert hostile.evaluate("window.opener") is None
        browser.close()
