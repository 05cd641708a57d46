"""The overhead review: sizes and counts beside a plain look at the folder, the day the disk is full, what nobody asks
for; and the notebook as it ships."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pitchey_slo.plots import overhead as plots
from pitchey_slo.report import find, run_notebook, told
from pitchey_slo.report.overhead import HORIZON, Cost, overhead
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.store import Store
from pitchey_slo.store.footprint import Held
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench
from tests.probe.synthetic.made import HOSTILE

NOTEBOOK = shipped("notebooks") / "91_monthly_overhead.ipynb"
DAY = timedelta(days=1)
RULES = """
groups:
  - name: g
    rules:
      - {alert: Asked, expr: 'sum(rate(asked_total[5m])) > 1'}
      - {alert: Pattern, expr: 'max({__name__=~"by_pattern_.*"}) > 1'}
"""


def fill(store: Store) -> None:
    for day in range(10):
        store.append("requests", rows("requests", 50, start=NOON - day * DAY - timedelta(hours=1)))
    store.append("business_events", rows("business_events", 3, start=NOON - DAY, event=["pitch_viewed", "odd", "odd"]))
    for name, hosts in (("asked_total", 2), ("by_pattern_one", 1), ("nobody_total", 3), ("pitchey_slo_queue_bytes", 1)):
        labels = tuple(labels_of({"__name__": name, "host": f"{HOSTILE}{i}"}) for i in range(hosts))
        stamps = np.array([round((NOON - m * timedelta(minutes=1)).timestamp() * 1000) for m in range(5)], np.int64)
        row = np.repeat(np.arange(hosts), 5)
        store.samples(SampleBatch(labels, row, np.tile(stamps[::-1], hosts), np.full(len(row), 2e6))).result()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("overhead")
    with fresh_store(folder / "home", clock=FixedClock(NOON)) as store:
        fill(store)
    (folder / "config" / "rules").mkdir(parents=True)
    (folder / "config" / "rules" / "r.yml").write_text(RULES)
    (folder / "config" / "dashboards").mkdir()
    (folder / "config" / "dashboards" / "broken.yml").write_text("name: [")
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "config")


@pytest.fixture(scope="module")
def cost(settings: Settings) -> Iterator[Cost]:
    yield overhead(Workbench(settings), end=NOON + timedelta(minutes=1), now=NOON + timedelta(minutes=2))


def test_sizes_are_those_of_the_folder(cost: Cost, settings: Settings) -> None:
    held = {h.table: h for h in cost.held}
    folder = settings.home / "lake" / "requests"
    live = Workbench(settings).reader.files("requests")
    assert held["requests"].rows == sum(pq.read_metadata(p).num_rows for p in live) == 500
    assert held["requests"].bytes == sum(Path(p).stat().st_size for p in live)
    assert held["requests"].folder == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    days = Counter(re.search(r"day=([\d-]+)", p)[1] for p in live)  # type: ignore[index]
    assert {d.isoformat() for d in held["requests"].days} == set(days)
    assert cost.bytes == sum(h.bytes for h in cost.held)
    last = [NOON.date() - i * DAY for i in range(1, 8)]
    assert cost.rates["requests"] == sum(held["requests"].days[d][1] for d in last) / 7
    assert [h.bytes for h in cost.held] == sorted((h.bytes for h in cost.held), reverse=True)


def test_metrics_are_counted_and_who_asks_for_them_is_known(cost: Cost) -> None:
    found = {m.name: m for m in cost.metrics}
    assert (found["nobody_total"].live, found["nobody_total"].samples) == (3, 15)
    assert found["nobody_total"].widest == ("host", 3) and found["nobody_total"].asked == ()
    assert found["asked_total"].asked == ("rule Asked",) and found["by_pattern_one"].asked == ("rule Pattern",)
    assert found["pitchey_slo_queue_bytes"].asked == ("this report",)
    assert [m.name for m in cost.unused] == ["nobody_total"]
    assert {e: named for e, _, named in cost.events} == {"odd": False, "pitch_viewed": True}
    page = told.plain(cost.not_asked_for())
    assert "nobody_total" in page and "odd" in page and "pitch_viewed" not in page
    assert "Could not be read" in page and "broken" in page  # else what only it asks for looks unused


def test_the_disk_is_full_on_the_day_a_loop_finds(cost: Cost) -> None:
    held = {"grows": (10, 0), "kept": (5, 20), "young": (7, 40)}  # bytes a day, days kept

    def of(table: str, each: int) -> Held:
        days = {NOON.date() - i * DAY: (1, each) for i in range(20)}
        return Held(table, 20, 20, 20 * each, 40 * each, 20 * each, days)

    made = replace(
        cost, end=NOON, free=1_000, held=tuple(of(t, n) for t, (n, _) in held.items()),
        keep={t: keep for t, (_, keep) in held.items()},
    )  # fmt: skip
    size, day = 0, 0
    while size <= 1_000:
        day += 1
        size += sum(n for n, keep in held.values() if not keep or 19 + day <= keep)
    assert made.full[0] == day == 85
    assert f"full in {day} days" in told.plain(made.summary())
    assert replace(made, keep=dict.fromkeys(held, 30), free=1_000).full == (None, 440 + 22 * 11)
    assert replace(made, free=10 * HORIZON + 22 * 30).full[0] is None


def test_what_the_server_stored_of_itself_is_told_and_what_it_did_not_is_missing(cost: Cost) -> None:
    page = told.plain(cost.own_metrics())
    assert "2.0 MB" in page and "missing" in page
    assert "not known" in told.plain(replace(cost, own=(None,) * len(cost.own)).own_metrics())
    assert {f.name: f.value for f in cost.facts()}["unused"] == 1


def test_pages_are_escaped_and_drawn(cost: Cost) -> None:
    for piece in (cost.summary(), cost.tables(), cost.expensive(), cost.not_asked_for(), cost.provenance()):
        assert "<img" not in piece.markup and told.plain(piece)
    figure = plots.by_day(cost.held, NOON.date() - 20 * DAY, NOON.date())
    assert len(figure.data) >= 2 and figure.layout.barmode == "stack"
    assert plots.by_day((), date(2026, 1, 1), date(2026, 1, 2)).layout.annotations[0].text


def test_nothing_stored_costs_nothing_that_is_known(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)):
        pass
    given = Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path / "none")
    empty = overhead(Workbench(given), end=NOON, now=NOON)
    assert "Nothing is stored" in told.plain(empty.summary()) and "No samples" in told.plain(empty.expensive())
    assert next(f for f in empty.facts() if f.name == "bytes").value is None


def test_it_is_clean_and_runs_as_it_ships(settings: Settings) -> None:
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    outcome = run_notebook(find(str(NOTEBOOK)), {"window": "30d"}, settings=settings)
    assert outcome.run.status == "succeeded"
    text = Path(str(outcome.run.html)).read_text(encoding="utf-8")
    assert "nobody_total" in text and HOSTILE not in text
