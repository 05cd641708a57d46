"""PromQL from a notebook and from the command line, on samples and on events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest

from pitchey_slo.cli import main
from pitchey_slo.errors import QueryError
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench, connect, step_ms

N = round(NOON.timestamp() * 1000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes: a counter that grows by 2 per second on each of two routes, and a request per second."""
    folder = tmp_path_factory.mktemp("home")
    clock = FixedClock()
    clock.forward(hours=1)
    ts = N + 15_000 * np.arange(41, dtype=np.int64)
    series = [labels_of({"__name__": "hits_total", "route": route}) for route in ("/a", "/b")]
    with fresh_store(folder, clock=clock) as store:
        store.samples(
            SampleBatch(series, np.repeat([0, 1], 41), np.tile(ts, 2), np.tile(30.0 * np.arange(41), 2))
        ).result()
        status = [500 if i % 10 == 0 else 200 for i in range(600)]
        store.append("requests", rows(count=600, start=NOON, status=status, method="GET"))
    return folder


@pytest.fixture
def wb(home: Path) -> Iterator[Workbench]:
    yield connect(home)


def test_a_range_is_a_frame_by_time(wb: Workbench) -> None:
    frame = wb.promql("rate(hits_total[5m])", start="2026-03-02T12:05", end="2026-03-02T12:10", step="1m")
    assert list(frame.columns) == ['{route="/a"}', '{route="/b"}']
    assert str(frame.index.tz) == "UTC" and len(frame) == 6
    assert frame.to_numpy() == pytest.approx(np.full((6, 2), 2.0))


def test_one_moment_is_the_minute_after_the_newest_row(wb: Workbench) -> None:
    frame = wb.promql("sum(hits_total)")
    assert frame.shape == (1, 1) and list(frame.columns) == ["sum(hits_total)"]
    assert frame.index[0].isoformat() == "2026-03-02T12:11:00+00:00"
    assert frame.iloc[0, 0] == 2 * 30 * 40


def test_events_are_series(wb: Workbench) -> None:
    counted = wb.promql("sum(pitchey_http_requests_total)", end="2026-03-02T12:10").iloc[0, 0]
    errors = wb.promql("sum(pitchey_http_errors_total)", end="2026-03-02T12:10").iloc[0, 0]
    known = wb.reader.query("SELECT count(*) AS n, count(*) FILTER (status >= 500) AS e FROM requests").to_pylist()[0]
    assert (counted, errors) == (known["n"], known["e"]) == (600, 60)


def test_steps_and_times_that_mean_nothing(wb: Workbench) -> None:
    assert [step_ms(s) for s in ("15s", "1m30s", 60, "60", 0.5, "250ms", "2d")] == [
        *(15_000, 90_000, 60_000, 60_000, 500, 250, 172_800_000)
    ]
    for step in ("soon", "-5", "5x", "1h 5", "nan", "inf", "0s"):
        with pytest.raises(QueryError, match="step"):
            step_ms(step)
    with pytest.raises(QueryError, match="is after end"):
        wb.promql("hits_total", start="2026-03-03", end="2026-03-02")
    with pytest.raises(QueryError) as wrong:
        wb.promql("sum(hits_total")
    assert "sum(hits_total" in str(wrong.value)


def run(capsys: pytest.CaptureFixture[str], home: Path, *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["query", *args, "--home", str(home)])
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_the_command_shows_a_table(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, home, "hits_total", "--start", "2026-03-02T12:00", "--end", "2026-03-02T12:10")
    assert code == 0
    assert 'hits_total{route="/a"}' in out and "1,200" in out and "▁" in out and "█" in out
    assert "2 series, 2026-03-02 12:00:00 to 2026-03-02 12:10:00 UTC" in out
    code, out, _ = run(capsys, home, "hits_total", "--at", "2026-03-02T12:05")
    assert code == 0 and "600" in out and "at 2026-03-02 12:05:00 UTC" in out
    assert "no data" in run(capsys, home, "nothing_here")[1]


def test_the_command_gives_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, home, "hits_total", "--at", "2026-03-02T12:05", "--json")
    assert [orjson.loads(line) for line in out.splitlines()] == [
        {"labels": {"__name__": "hits_total", "route": route}, "points": [[N + 300_000, 600.0]]}
        for route in ("/a", "/b")
    ]
    _, out, _ = run(capsys, home, "0/0", "--json")
    assert orjson.loads(out)["points"][0][1] == "NaN"


def test_the_command_points_at_mistakes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, home, "sum(rat(hits_total[5m]))")
    assert code == 1 and "rat" in err and "Traceback" not in err
    assert run(capsys, home, "up", "--at", "2026-03-02", "--start", "2026-03-01")[0] == 1
    assert run(capsys, home, "up", "--step", "5m")[0] == 1
