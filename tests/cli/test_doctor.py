"""The doctor against the real fault of each kind: it says what is wrong and what helps, ends in time, writes nothing
and shows no secret."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.client import ServerInfo
from pitchey_slo.doctor import CHECKS, Check, Finding, Patient, channels, data, examine, machine, platform, rules
from pitchey_slo.doctor import server as served
from pitchey_slo.doctor.upkeep import health, schedules, synthetic
from pitchey_slo.names import HOT_FILE, SERVER_FILE
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.store import Store, utc_now
from pitchey_slo.testing import FixedClock, fresh_store, rows
from tests.shell import shell
from tests.web.conftest import running

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECRET = "hooks-of-nobody-9f31c2"


def patient(home: Path, **given: object) -> Patient:
    return Patient(Settings.load(env_file=None, home=home, **given), FixedClock(NOW))


def told(found: Iterator[Finding] | tuple[Finding, ...] | list[Finding], verdict: str) -> str:
    """What findings of that verdict say, with what helps."""
    return "\n".join(f"{f.text} -> {f.help}" for f in found if f.verdict == verdict)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some requests; tests only read it."""
    folder = tmp_path_factory.mktemp("doctor") / "home"
    with fresh_store(folder, clock=FixedClock(NOW)) as store:
        store.append("requests", rows(count=50, start=NOW - timedelta(seconds=60)))
    return folder


@contextmanager
def answering(handler: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """An HTTP server that answers GET and POST with `handler`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handler(self)

        def do_POST(self) -> None:
            handler(self)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def say(status: int, body: str = "{}", **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def handler(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body.encode())

    return handler


@contextmanager
def silent() -> Iterator[int]:
    """A port where somebody takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def photograph(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*") if p.is_file()}


# the whole


def test_without_a_server_it_looks_at_everything_and_writes_nothing(home: Path) -> None:
    before = photograph(home)
    done = shell("doctor", "--home", str(home), "--json", cwd=home.parent, env={"SLACK_WEBHOOK_URL": ""})
    answer = json.loads(done.stdout)
    areas = {f["area"] for f in answer["findings"]}
    assert areas >= {"settings", "server", *(check.area for check in CHECKS)}
    assert done.returncode == int(not answer["ok"])
    assert answer["seconds"] < 30
    assert photograph(home) == before
    assert not (home.parent / "data").exists()
    assert {f["verdict"] for f in answer["findings"] if f["area"] == "store"} == {"ok"}


def test_with_a_server_it_asks_the_server(tmp_path: Path) -> None:
    config = shipped("config")
    with running(tmp_path / "home", config=config, location="") as server:
        server.token("ingest", name="worker")
        found = examine(tmp_path / "home", clock=utc_now, checks=[c for c in CHECKS if c.area != "notebooks"])
        assert "answers on" in told(found, "ok")
        assert "It takes rows" in told(found, "ok")
        assert "1 good tokens may send" in told(found, "ok")
        assert "The server evaluates" in told(found, "ok")
        assert server.info.token not in str(found)
        assert not [
            f for f in found if f.area in ("server", "store", "permissions", "tokens") and f.verdict == "failure"
        ]


def test_a_check_that_hangs_or_breaks_is_a_finding_and_delays_nobody(home: Path) -> None:
    stop = threading.Event()

    def hangs(_: Patient) -> Iterator[Finding]:
        yield Finding("slow", "ok", "begun")
        stop.wait(30)

    def breaks(_: Patient) -> Iterator[Finding]:
        raise ZeroDivisionError("of ours")
        yield

    begun = time.monotonic()
    found = examine(home, clock=utc_now, checks=[Check("slow", hangs, 0.3), Check("broken", breaks)])
    stop.set()
    assert time.monotonic() - begun < 8
    assert "No end within 0.3 s" in told(found, "failure")
    assert "ZeroDivisionError: of ours" in told(found, "failure")
    assert any(f.text == "begun" for f in found)


def test_settings_that_cannot_be_read_are_told_without_their_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"PITCHEY_PORT=many\nSLACK_WEBHOOK_URL=https://example.com/{SECRET}\n")
    done = shell("doctor", cwd=tmp_path)
    assert done.returncode == 1
    assert "PITCHEY_PORT" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_no_finding_holds_a_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)

    def leaks(_: Patient) -> Iterator[Finding]:
        yield Finding("leak", "warning", f"535 {SECRET} refused", SECRET)

    found = examine(home, clock=utc_now, checks=[Check("leak", leaks)])
    assert SECRET not in str(found)
    assert "[masked: SMTP_PASSWORD] refused" in told(found, "warning")


# the server


def write_info(home: Path, url: str, pid: int) -> None:
    home.mkdir(exist_ok=True)
    ServerInfo(url, pid, "token", NOW).write(home)


def test_a_server_that_was_killed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_info(tmp_path, "http://127.0.0.1:1", gone.pid)
    looked = served.look(patient(tmp_path, port=0))
    assert "is gone without a farewell" in told(looked.findings, "warning")
    assert looked.info is None


def test_a_server_that_hangs(tmp_path: Path) -> None:
    with silent() as port:
        write_info(tmp_path, f"http://127.0.0.1:{port}", os.getpid())
        looked = served.look(patient(tmp_path))
    assert "does not answer" in told(looked.findings, "failure")
    assert f"kill {os.getpid()}" in told(looked.findings, "failure")


def test_a_port_that_somebody_else_has(tmp_path: Path) -> None:
    with silent() as port:
        text = told(served.look(patient(tmp_path, port=port)).findings, "failure")
        assert f"Port {port} is taken by process {os.getpid()}" in text
        assert "PITCHEY_PORT" in text


def test_another_server_on_the_address(tmp_path: Path) -> None:
    with answering(say(200, '{"started_at": "2020-01-01T00:00:00+00:00"}')) as url:
        write_info(tmp_path, url, os.getpid())
        assert "another server answers" in told(served.look(patient(tmp_path)).findings, "failure")
    with answering(say(200, "<html>")) as url:
        write_info(tmp_path, url, os.getpid())
        assert "not this server" in told(served.look(patient(tmp_path)).findings, "failure")


# Pitchey


def test_the_platform_answers_fails_and_is_away(tmp_path: Path) -> None:
    def look(url: str) -> list[Finding]:
        return list(platform.look(patient(tmp_path, api_base_url=url)))

    with answering(say(200)) as url:
        assert len(told(look(url), "ok").splitlines()) == 3
    with answering(say(503, "no database")) as url:
        assert "answers 503: 'no database'" in told(look(url), "failure")
        assert "database-problems.md" in told(look(url), "failure")
    assert "nothing listens there" in told(look("http://127.0.0.1:1"), "failure")
    assert "no address" in told(look("http://nowhere.invalid"), "failure")
    with silent() as port:
        assert "no answer within" in told(look(f"http://user:{SECRET}@127.0.0.1:{port}"), "failure")
    assert SECRET not in platform.shown(f"http://user:{SECRET}@127.0.0.1:1/x?key={SECRET}")
    assert [f.verdict for f in platform.look(patient(tmp_path))] == ["not applicable"]


@pytest.mark.parametrize(("date", "verdict"), [("12:00:00", "ok"), ("11:59:59", "ok"), ("12:01:30", "warning"),
                                               ("11:58:00", "warning")])  # fmt: skip
def test_the_clock_is_compared_with_pitcheys(tmp_path: Path, date: str, verdict: str) -> None:
    with answering(say(200, Date=f"Mon, 02 Mar 2026 {date} GMT")) as url:
        found = list(platform.clock(patient(tmp_path, api_base_url=url)))
    assert [f.verdict for f in found] == [verdict]
    way = {"12:01:30": "90 s behind", "11:58:00": "119 s ahead of"}.get(date, "")
    assert way in found[0].text


# the store


def copied(home: Path, to: Path) -> Path:
    import shutil

    return Path(shutil.copytree(home, to))


def test_a_store_that_is_damaged(home: Path, tmp_path: Path) -> None:
    mine = copied(home, tmp_path / "home")
    hot = mine / HOT_FILE
    hot.write_bytes(b"\0" * 4096 + hot.read_bytes()[4096:])
    before = photograph(mine)
    text = told(data.store(patient(mine)), "failure")
    assert "does not open" in text
    assert "pitchey-slo repair" in text
    assert photograph(mine) == before


def test_commits_that_are_missing(home: Path, tmp_path: Path) -> None:
    mine = copied(home, tmp_path / "home")
    number = int((mine / "hot.seq").read_text())
    (mine / "hot.seq").write_text(f"{number + 3:020d}")
    assert f"Commits {number + 1} to {number + 3} were acknowledged and are missing" in told(
        data.store(patient(mine)), "failure"
    )


def test_a_store_of_a_newer_version(home: Path, tmp_path: Path) -> None:
    from pitchey_slo.store.peek import newest_schema

    mine = copied(home, tmp_path / "home")
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
        f"c.execute(\"INSERT INTO migrations VALUES ({newest_schema() + 1}, 'later.sql')\")"
    )
    subprocess.run([sys.executable, "-c", code, str(mine / HOT_FILE)], check=True, timeout=60)
    assert "newer version" in told(data.store(patient(mine)), "failure")


def test_a_store_that_another_process_has_open(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home") as store:
        assert isinstance(store, Store)
        text = told(data.store(patient(tmp_path / "home")), "warning")
    assert f"Process {os.getpid()} has the store open" in text


def test_a_lake_that_cannot_be_read(home: Path, tmp_path: Path) -> None:
    mine = copied(home, tmp_path / "home")
    for file in (mine / "lake" / "requests").rglob("*.parquet"):
        file.write_bytes(b"PAR1 no more PAR1")
    text = told(data.store(patient(mine)), "failure")
    assert "cannot be read" in text
    assert "restore" in text


def test_no_metrics_data(home: Path, tmp_path: Path) -> None:
    assert "Nothing was ever stored" in told(data.sources(patient(tmp_path / "none")), "warning")
    fresh = list(data.sources(patient(home)))
    assert "requests: the newest row is" in told(fresh, "ok")
    assert "logs: nothing ever came" in told(fresh, "not applicable")
    later = Patient(patient(home).settings, FixedClock(NOW + timedelta(hours=3)))
    assert "the newest row is 3h" in told(data.sources(later), "warning")


# rules, channels, what runs by itself


def test_a_rule_file_that_is_wrong_and_one_that_sees_nothing(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    good = "groups: [{name: g, rules: [{alert: Blind, expr: nobody_sends_this > 1}, {alert: Sees, expr: %s > 1}]}]"
    (folder / "good.yml").write_text(good % "pitchey_http_requests_total")
    (folder / "bad.yml").write_text("groups:\n  - name: g\n    rules:\n      - alert: X\n        expr: sum(\n")
    found = list(rules.look(patient(home, config=tmp_path)))
    assert "bad.yml:5" in told(found, "failure")
    assert "Blind can never fire now: nobody_sends_this does not exist" in told(found, "warning")
    assert "Sees" not in told(found, "warning")
    assert "nothing will ever alert" in told(rules.look(patient(home, config=tmp_path / "none")), "failure")


def routes(tmp_path: Path, receiver: str) -> Path:
    file = tmp_path / "routes.yml"
    file.write_text(f"route: {{receiver: pager}}\nreceivers:\n  - name: pager\n{receiver}")
    return file


def test_channels_that_reach_nobody_are_refused_or_switched_off(home: Path, tmp_path: Path) -> None:
    def look(receiver: str) -> list[Finding]:
        return list(channels.look(patient(home, routes=routes(tmp_path, receiver))))

    off = look("    slack_configs: [{api_url: '${SLACK_WEBHOOK_URL}'}]\n    console_configs: [{}]\n")
    assert "SLACK_WEBHOOK_URL is not set" in told(off, "warning")
    assert "severity critical goes to pager and reaches nobody" in told(off, "failure")
    assert "routes.yml:4" in told(look("    slack_confgs: []\n"), "failure")
    assert "no routes file" in told(channels.look(patient(home, routes=tmp_path / "none.yml")), "failure")


def test_send_tries_each_channel_once_and_says_what_it_answered(home: Path, tmp_path: Path) -> None:
    got: list[bytes] = []

    def take(request: http.server.BaseHTTPRequestHandler) -> None:
        got.append(request.rfile.read(int(request.headers["Content-Length"])))
        say(200 if request.path == "/good" else 403, "no")(request)

    open_ = "allow_private: true"
    with answering(take) as url:
        receiver = f"    webhook_configs: [{{{open_}, url: '{url}/good'}}, {{{open_}, url: '{url}/{SECRET}'}}]\n"
        mine = patient(home, routes=routes(tmp_path, receiver))
        assert "none of them was sent anything" in told(channels.look(mine), "ok")
        assert got == []
        found = list(channels.look(Patient(mine.settings, mine.clock, None, send=True)))
    assert "pager webhook/0 took the test message" in told(found, "ok")
    assert "pager webhook/1 did not take the test message" in told(found, "failure")
    assert SECRET not in str(found)
    assert len(got) == 2
    assert b"Nothing is wrong, nothing needs to be done" in got[0]


def test_files_of_checks_tests_and_schedules_that_are_wrong(home: Path, tmp_path: Path) -> None:
    mine = patient(home, config=tmp_path)
    for look in (health, synthetic, schedules):
        assert [f.verdict for f in look(mine)] == ["not applicable"]
    (tmp_path / "health.yml").write_text("checks: {a: {check: telepathy}}\n")
    (tmp_path / "synthetics").mkdir()
    (tmp_path / "synthetics" / "x.yaml").write_text("name: x\nkind: odd\n")
    (tmp_path / "schedules.yml").write_text("schedules: [{name: a, notebook: none_such, cron: '0 6 * * *'}]\n")
    assert "telepathy" in told(health(mine), "failure")
    assert "x.yaml" in told(synthetic(mine), "failure")
    assert "none_such" in told(schedules(mine), "failure")


# the machine


def test_what_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    write_info(home, "http://127.0.0.1:1", 1)
    (tmp_path / ".env").write_text("")
    home.chmod(0o700)
    (tmp_path / ".env").chmod(0o600)
    assert [f.verdict for f in machine.permissions(patient(home))] == ["ok"]
    home.chmod(0o755)
    (tmp_path / ".env").chmod(0o644)
    (home / SERVER_FILE).chmod(0o640)
    found = list(machine.permissions(patient(home)))
    assert f"chmod 600 {home / SERVER_FILE}" in told(found, "failure")
    assert f"chmod 700 {home}" in told(found, "warning")
    assert f"chmod 600 {tmp_path / '.env'}" in told(found, "warning")


def test_a_disk_that_is_full(home: Path) -> None:
    assert "are free at" in told(machine.disk(patient(home)), "ok")
    # a file system without room
    assert "they are refused now" in told(machine.disk(patient(Path("/proc"))), "failure")


def test_a_home_that_cannot_be_written() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o555)
        with somebody():
            assert "cannot be written to" in told(machine.disk(patient(Path(folder))), "failure")


@contextmanager
def somebody() -> Iterator[None]:
    """As a user who owns nothing here; root may write everywhere."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_growth_is_that_of_the_days_before_today(tmp_path: Path) -> None:
    for day, size in (("2026-03-01", 1000), ("2026-02-28", 3000), ("2026-03-02", 9000), ("2026-01-01", 9000)):
        folder = tmp_path / "requests" / f"day={day}"
        folder.mkdir(parents=True)
        (folder / "a.parquet").write_bytes(b"x" * size)
    assert machine.growth(tmp_path, NOW) == 2000
    assert machine.growth(tmp_path / "none", NOW) is None


def test_versions_tell_a_database_that_is_not_the_pinned_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "as pinned" in told(machine.versions(patient(home)), "ok")
    monkeypatch.setattr(machine, "_requires", lambda: ["duckdb==1.0.0"])
    assert "pip install duckdb==1.0.0" in told(machine.versions(patient(home)), "failure")
