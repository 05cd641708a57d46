"""The page that messages link to, in a real browser: it asks for a token, shows, changes, and runs nothing that a label
says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest

from .conftest import Running, running
from .test_alerts import ROUTES, made, until

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the Debian package chromium")
HOSTILE = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("page")
    for name, text in (("routes/routes.yml", ROUTES), ("rules/none.yml", "groups: []"), ("slos/none.yaml", "")):
        (folder / "config" / name).parent.mkdir(parents=True)
        (folder / "config" / name).write_text(text)
    with running(folder / "home", config=folder / "config", reports=folder / "reports") as it:
        yield it


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("read", "alert", name="sam")) as client:
        yield client


def test_the_page_shows_takes_on_silences_and_ends(server: Running, client: httpx.Client) -> None:
    from playwright.sync_api import expect, sync_playwright

    alert = made(client, "Pay " + HOSTILE, severity="critical", labels={"team": HOSTILE})
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{server.url}/alerts/{alert['id']}#acknowledge")
        page.fill("#token", server.token("read", "alert", name="kim"))
        page.click("#login button")
        page.wait_for_selector("#decisions tr")
        assert "happened" in (page.text_content("#title") or "")
        assert "critical · firing" in (page.text_content("#state") or "")
        page.fill("#comment", "on it")
        page.click("#acknowledge")
        expect(page.locator("#since")).to_contain_text("taken on by kim")
        page.fill("#comment", "known")
        page.click("#silence")
        expect(page.locator("#said")).to_have_text("silenced")
        page.click("#resolve")
        expect(page.locator("#state")).to_contain_text("resolved")
        assert page.title() != "hit" and page.query_selector("#labels img") is None
        assert {httpx.URL(url).host for url in asked} == {"127.0.0.1"}
        browser.close()
    silences = client.get("/api/monitoring/silences").json()["silences"]
    assert [(s["created_by"], s["comment"]) for s in silences] == [("kim", "known")]
    assert client.get(f"/api/monitoring/alerts/{alert['id']}").json()["state"] == "resolved"


def test_the_page_holds_no_data_and_its_investigation_needs_a_token(server: Running, client: httpx.Client) -> None:
    alert = made(client, "Looked into", severity="critical")
    with server.client() as nobody:
        page = nobody.get(f"/alerts/{alert['id']}")
        assert page.status_code == 200 and "Looked into" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert nobody.get(f"/api/monitoring/alerts/{alert['id']}/investigation").status_code == 401
    assert client.get(f"/api/monitoring/alerts/{alert['id']}/investigation").status_code == 404
    until(lambda: client.get(f"/api/monitoring/alerts/{alert['id']}/why").json()["notifications"])
