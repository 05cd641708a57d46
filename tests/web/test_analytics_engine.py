"""The puller inside a running server: when it runs, what it tells, and the command that pulls by hand."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from pitchey_slo.alert.watchdog import Facts, down_targets
from pitchey_slo.cli import build
from pitchey_slo.cli.pull import when
from pitchey_slo.collect.analytics_engine import FILE
from pitchey_slo.errors import ConfigError, Conflict
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.testing import NOON, FixedClock, fresh_store
from pitchey_slo.web.analytics_engine import AnalyticsEngine
from pitchey_slo.web.house import House
from pitchey_slo.web.limits import Limits
from pitchey_slo.web.meter import Meter
from tests.collect.analytics_engine import engine as made
from tests.collect.analytics_engine.engine import ACCOUNT, TOKEN, Engine, engine, request
from tests.web.conftest import running, stored

PATH = "/api/monitoring/analytics-engine"
LOG = "pitchey_slo.web.analytics_engine"


@pytest.fixture
def local(clock: FixedClock) -> Iterator[Engine]:
    with engine(clock) as it:
        yield it


def folder(tmp_path: Path, text: str | None = None) -> Path:
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    (config / FILE).write_text(text or (shipped("config") / FILE).read_text().replace("first: 7d", "first: 1h"))
    return config


def account(local: Engine, tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {"config": folder(tmp_path), "cloudflare_account_id": ACCOUNT, "cloudflare_api_token": TOKEN,
            "cloudflare_api_url": local.url, **more}  # fmt: skip


def ago(**length: float) -> datetime:
    return NOON - timedelta(**length)


@contextmanager
def pulling(local: Engine, tmp_path: Path, **more: Any) -> Iterator[tuple[AnalyticsEngine, Meter, list[float]]]:
    """One with a store, turned by hand; the list holds the time that passed."""
    passed, meter = [0.0], Meter()
    given = account(local, tmp_path, **more)
    with fresh_store(tmp_path / "home", clock=local.clock, **given) as store:
        house = House(store, store.settings, local.clock, Limits())
        it = AnalyticsEngine(house, meter, monotonic=lambda: passed[0])
        it._thread = object()  # type: ignore[assignment]  # as after `start`, with the test's hand as its rhythm
        yield it, meter, passed


def counted(meter: Meter, name: str) -> dict[str, float]:
    return {"/".join(v for k, v in labels if k != "__name__"): value for labels, value in meter._counts.items()
            if dict(labels)["__name__"] == f"pitchey_slo_{name}"}  # fmt: skip


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_a_server_pulls_by_itself_and_tells_how_far_it_is(local: Engine, tmp_path: Path) -> None:
    local.write(*(request(ago(minutes=9), "/r", event_id=f"e{i}") for i in range(10)), most=5)
    home = tmp_path / "home"
    with running(home, clock=local.clock, **account(local, tmp_path)) as server:
        with server.client(server.token("read")) as client:
            told = until(lambda: (t := client.get(PATH).json())["last"] and t)
            assert (told["running"], told["dataset"], told["problem"]) == (True, "pitchey_metrics", None)
            assert (told["until"], told["behind_seconds"]) == (ago(minutes=2).isoformat(), 120.0)
            assert told["last"]["tables"]["requests"]["stored"] == 5
            text = client.get("/api/monitoring/metrics", headers={"Accept": "text/plain"}).text
            assert 'pitchey_slo_analytics_engine_rows_total{outcome="stored",table="requests"} 5' in text
            assert "pitchey_slo_analytics_engine_up 1" in text
            assert "pitchey_slo_analytics_engine_behind_seconds 120" in text
            assert client.post(f"{PATH}/pull", json={}).status_code == 403
        # by hand, through the command, while the server owns the store
        local.write(*(request(ago(hours=30), "/old", event_id=f"o{i}") for i in range(3)))
        done = CliRunner().invoke(
            build(["pull"]), ["pull", "analytics-engine", "--home", str(home), "--since", "2026-03-01", "--json"]
        )
        assert done.exit_code == 0, done.output
        told = orjson.loads(done.stdout)
        assert (told["tables"]["requests"]["stored"], told["tables"]["requests"]["duplicates"]) == (3, 5)
        with server.client(server.token("admin")) as client:
            assert client.post(f"{PATH}/pull", json={"since": "soon"}).status_code == 400
    rows = stored(home)
    assert sum(row["sample_interval"] for row in rows) == 13.0
    assert {row["source"] for row in rows} == {"worker"}


@pytest.mark.parametrize("missing", ["cloudflare_account_id", "cloudflare_api_token", "config"])
def test_without_account_token_or_file_nothing_runs(local: Engine, tmp_path: Path, missing: str) -> None:
    given = account(local, tmp_path)
    given[missing] = tmp_path / "nowhere" if missing == "config" else None
    settings = Settings.load(env_file=None, home=tmp_path / "home", **given)
    it = AnalyticsEngine(House(None, settings, local.clock, Limits()), Meter())
    it.start()
    assert (it.wanted, it.told()["running"], it.down()) == (False, False, {})


def test_a_wrong_token_is_told_once_loudly_and_to_the_watchdog(
    local: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    local.token = "another"
    with pulling(local, tmp_path) as (it, meter, passed), caplog.at_level(logging.INFO, LOG):
        for _ in range(4):
            it.turn()
            passed[0] += 600
        assert len(local.asked) == 4
        (told,) = [r for r in caplog.records if r.name == LOG]
        assert told.levelno == logging.ERROR
        assert "status 403: 10000 Authentication error" in told.getMessage()
        assert "Account Analytics: Read" in told.getMessage()
        assert TOKEN not in caplog.text
        (finding,) = down_targets(Facts(NOON, targets=it.down()))
        assert finding.about == "Analytics Engine pitchey_metrics"
        assert "403" in finding.text
        assert counted(meter, "analytics_engine_pulls_total") == {"failed": 4.0}
        # mended: told once more, and well again
        local.token = TOKEN
        passed[0] += 600
        it.turn()
        assert "is pulled again" in caplog.records[-1].getMessage()
        assert (it.down(), it.problem) == ({"Analytics Engine pitchey_metrics": None}, None)


def test_what_may_pass_is_told_to_people_when_it_lasts(local: Engine, tmp_path: Path) -> None:
    with pulling(local, tmp_path) as (it, _, passed):
        local.faults.append(made.limited("3000"))
        it.turn()
        assert it.down() == {"Analytics Engine pitchey_metrics": None}
        passed[0] += 2_900
        it.turn()
        assert len(local.asked) == 1  # as long as it said
        passed[0] += 200
        local.faults.append(made.limited("3000"))
        it.turn()
        assert "429" in str(it.down()["Analytics Engine pitchey_metrics"])


def test_a_wrong_file_is_told_and_taken_once_it_is_right(
    local: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pulling(local, tmp_path) as (it, _, passed):
        right = (tmp_path / "config" / FILE).read_text()
        it.turn()
        (tmp_path / "config" / FILE).write_text(right.replace("route: blob2", "rout: blob2"))
        it.turn()
        assert 'did you mean "route"' in str(it.problem)
        assert it.alarming
        (tmp_path / "config" / FILE).write_text(right + "\n")
        passed[0] += 1
        it.turn()
        assert it.problem is None


def test_refused_points_are_counted_and_never_shown_in_the_log(
    local: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    local.write(request(ago(minutes=9), "/users/jane.roe@example.com", 2_000), request(ago(minutes=9), "/ok"))
    with pulling(local, tmp_path) as (it, meter, _):
        it.turn()
        assert counted(meter, "analytics_engine_rows_total")["refused/requests"] == 1.0
        assert counted(meter, "rows_refused_total") == {"out_of_range/requests": 1.0}
    assert "1 of requests: out_of_range" in caplog.text
    assert "jane" not in caplog.text + str(it.told())


def test_the_dataset_of_the_environment_wins(local: Engine, tmp_path: Path) -> None:
    local.datasets.add("staging")
    with pulling(local, tmp_path, analytics_engine="staging") as (it, _, _passed):
        it.turn()
        assert it.told()["dataset"] == "staging"
        assert "FROM staging WHERE" in local.asked[0]


def now_points(count: int) -> list[dict[str, Any]]:
    at = datetime.now(UTC) - timedelta(minutes=9)
    return [request(at, "/r", event_id=f"n{i}") for i in range(count)]


def test_the_command_pulls_itself_where_no_server_runs(
    local: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.clock.now = datetime.now(UTC)
    local.write(*now_points(7), request(datetime.now(UTC) - timedelta(minutes=9), "/bad", 5_000))
    for name, value in (("ACCOUNT_ID", ACCOUNT), ("API_TOKEN", TOKEN), ("API_URL", local.url)):
        monkeypatch.setenv(f"CLOUDFLARE_{name}", value)
    monkeypatch.setenv("PITCHEY_CONFIG", str(folder(tmp_path)))
    home = tmp_path / "home"

    def pull(*more: str) -> Any:
        return CliRunner().invoke(build(["pull"]), ["pull", "analytics-engine", "--home", str(home), *more])

    dry = orjson.loads(pull("--dry-run", "--json").stdout)
    assert (dry["dry_run"], dry["tables"]["requests"]["read"], dry["tables"]["requests"]["stored"]) == (True, 8, 0)
    done = pull("--since", "30m")
    assert done.exit_code == 0, done.output
    assert "refused of requests: out_of_range 1" in done.output
    assert "5000" in done.output.replace(",", "")  # who pulls by hand sees the value
    assert len(stored(home)) == 7
    again = orjson.loads(pull("--json").stdout)
    assert (again["tables"]["requests"]["stored"], again["tables"]["requests"]["duplicates"]) == (0, 7)
    local.token = "another"
    refused = pull()
    assert refused.exit_code == 1
    assert "Account Analytics: Read" in str(refused.exception)
    assert TOKEN not in refused.output + str(refused.exception)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    assert "CLOUDFLARE_API_TOKEN: not set" in str(pull().exception)


@pytest.mark.parametrize(
    ("text", "at"),
    [("90m", ago(minutes=90)), ("2026-03-01", ago(hours=36)), ("2026-03-02T13:00+02:00", ago(hours=1))],
)
def test_since_is_a_time_or_a_length(text: str, at: datetime) -> None:
    assert when(text, NOON) == at


def test_since_says_what_would_work() -> None:
    with pytest.raises(ConfigError, match="--since: 'yesterday' is no time"):
        when("yesterday", NOON)


def test_one_pull_by_hand_at_a_time(local: Engine, tmp_path: Path) -> None:
    local.write(*(request(ago(minutes=9), "/r", event_id=f"e{i}") for i in range(3)))
    local.faults.append(made.hanging(0.5))
    with pulling(local, tmp_path) as (it, _, _passed):
        it.pull_now(ago(hours=1), dry_run=False)
        with pytest.raises(Conflict, match="runs already"):
            it.pull_now(None, dry_run=True)
        it.turn()  # waits for its own turn
        until(lambda: it.order is not None and not it.order["running"])
        assert it.order is not None
        assert (it.order["error"], it.order["pull"]["tables"]["requests"]["stored"]) == (None, 3)


def test_a_stop_ends_a_pull_that_waits(local: Engine, tmp_path: Path) -> None:
    local.faults += [made.limited("100")] * 3
    with pulling(local, tmp_path) as (it, _, _passed):
        it._thread = None
        it.start()
        until(lambda: local.asked)
        began = time.monotonic()
        it.close()
        assert time.monotonic() - began < 4
        assert len(local.asked) == 1


def test_a_store_in_trouble_stops_no_later_pull(local: Engine, tmp_path: Path) -> None:
    local.write(request(ago(minutes=9), "/r"))
    with pulling(local, tmp_path) as (it, _, passed):
        opened, it._house.store = it._house.store, None
        it.turn()
        assert "the store is being opened" in str(it.problem)
        it._house.store = opened
        passed[0] += 60
        it.turn()
        assert it.problem is None
