"""The pages links lead to: runbooks and the overview."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_slo.settings import shipped
from pitchey_slo.testing import rows
from pitchey_slo.web.runbooks import page

from .conftest import Running, running
from .test_alerts import ROUTES, made

RUNBOOKS = sorted(path.stem for path in (shipped("docs") / "runbooks").glob("*.md"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("pages")
    for name, text in (
        ("routes/routes.yml", ROUTES),
        ("rules/none.yml", "groups: []"),
        ("runbooks/own.md", "# Mine\n\n<script>alert(1)</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"),
    ):
        (folder / "config" / name).parent.mkdir(parents=True)
        (folder / "config" / name).write_text(text)
    shutil.copytree(shipped("config") / "slos", folder / "config" / "slos")
    with running(folder / "home", config=folder / "config") as it:
        yield it


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_runbook_is_a_page(server: Running, name: str) -> None:
    with server.client() as nobody:
        answer = nobody.get(f"/docs/runbooks/{name}.md")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]


def test_every_runbook_that_an_alert_names_is_there() -> None:
    texts = [p.read_text() for p in (shipped("config") / "rules").rglob("*.yml")]
    named = {name for text in texts for name in re.findall(r"runbook_url: /docs/runbooks/([a-z-]+)\.md", text)}
    assert named and named <= set(RUNBOOKS)


def test_own_runbooks_win_and_markup_in_them_is_shown(server: Running) -> None:
    with server.client() as nobody:
        own = nobody.get("/docs/runbooks/own.md").text
        assert "&lt;script&gt;" in own and "<td>1</td>" in own and "<title>Mine</title>" in own
        for bad in ("nothing-here", "..%2f..%2fREADME", "OWN"):
            assert nobody.get(f"/docs/runbooks/{bad}.md").status_code == 404
    assert "[x](javascript:alert(1))" in page("[x](javascript:alert(1))")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the Debian package chromium")
def test_the_overview_shows_alerts_and_budgets(server: Running, tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    with server.client(server.token("alert", "ingest", "read")) as client:
        made(client, "Shown on the overview", severity="critical")
        batch = [{**row, "ts": row["ts"].isoformat()} for row in rows(count=50, status=500).to_pylist()]
        assert client.post("/api/monitoring/events/requests", json=batch).status_code == 200
        assert client.get("/", follow_redirects=False).headers["location"] == "/show/system"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        asked: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(f"{server.url}/")
        tab.fill("#token", server.token("read"))
        tab.click("#login button")
        expect(tab.locator("#alerts")).to_contain_text("Shown on the overview happened", timeout=30_000)
        expect(tab.locator("#slos")).to_contain_text("API availability", timeout=30_000)
        expect(tab.locator("#watchdog tr")).not_to_have_count(0)
        tab.screenshot(path=str(tmp_path / "overview.png"), full_page=True)
        assert all(url.startswith(server.url) for url in asked)
        browser.close()
