"""SLOs whose SLI is a question to log lines, on OpenStack's real ones: numbers are those of a loop over the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.rule_book import slo_groups
from pitchey_slo.collect.files import read_file
from pitchey_slo.promql import instant
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.settings import Settings
from pitchey_slo.slo import load
from pitchey_slo.slo.spec.openslo import parse
from pitchey_slo.tables import LOGS
from pitchey_slo.testing import FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench

LOG = Path("/work/shared/conformance/logs/OpenStack/OpenStack_2k.log")
DOCS = Path(__file__).parents[2] / "docs" / "logs.md"
END = datetime(2017, 5, 16, 0, 15, tzinfo=UTC)
AS_OF = END.isoformat()

#: (time, status, milliseconds) of each answer, by a loop that knows nothing of ours.
Answers = list[tuple[datetime, int, float]]


@pytest.fixture(scope="module")
def answers() -> Answers:
    if not LOG.is_file():
        pytest.skip(f"{LOG} is not here: the real logs of LogHub")
    found = []
    for line in LOG.read_text().splitlines():
        words = line.split()
        if "status:" in words:
            at = datetime.fromisoformat(f"{words[1]}T{words[2]}+00:00")
            found.append((at, int(words[words.index("status:") + 1]), 1_000 * float(words[-1])))
    assert len(found) == 1_017
    return found


@pytest.fixture(scope="module")
def wb(answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A home with nothing but the log file and the SLOs that docs/logs.md shows."""
    home = tmp_path_factory.mktemp("home")
    config = home / "config"
    (config / "slos").mkdir(parents=True)
    for i, block in enumerate(re.findall(r"```yaml\n(apiVersion: openslo.*?)```", DOCS.read_text(), re.DOTALL)):
        (config / "slos" / f"{i}.yaml").write_text(block)
    strict = (config / "slos" / "0.yaml").read_text().split("---\n")[1].replace("nova-latency", "nova-strict")
    (config / "slos" / "strict.yaml").write_text(strict.replace("value: 300, target: 0.9", "value: 250, target: 0.97"))
    with fresh_store(home / "data", clock=FixedClock(END)) as store:
        for part in read_file(LOG, table=LOGS, now=END):
            store.append("logs", part.batch.rows)
        store.flush()
    yield Workbench(Settings.load(env_file=None, home=home / "data", config=config))


def test_availability_and_latency_are_those_of_a_plain_loop(wb: Workbench, answers: Answers) -> None:
    (available,) = wb.slo("nova-availability").report(end=AS_OF)
    assert (available.good, available.bad) == (1_017, sum(status >= 500 for _, status, _ in answers))
    (quick,) = wb.slo("nova-latency").report(end=AS_OF)
    good = sum(ms <= 300 for *_, ms in answers)
    assert (quick.good, quick.valid) == (good, len(answers))
    assert 0 < good < len(answers)
    assert quick.sli == good / len(answers)
    assert quick.spent == pytest.approx((1 - good / len(answers)) / 0.1)
    assert quick.unmeasured == 2_000 - len(answers)  # lines that are about no answer
    since = END - timedelta(minutes=5)
    (late,) = wb.slo("nova-latency").report("5m", end=AS_OF)
    assert (late.good, late.valid) == (
        sum(ms <= 300 for at, _, ms in answers if at >= since),
        sum(at >= since for at, *_ in answers),
    )


def test_the_numbers_can_be_bad(answers: Answers, wb: Workbench) -> None:
    """With 404 as a failure the same SLO has 41 of them."""
    text = (wb.settings.config / "slos" / "0.yaml").read_text().replace(">= 500", ">= 400")
    slo = next(slo for slo in parse(text).slos if slo.name == "nova-availability")
    (report,) = wb.evaluate([slo], end=AS_OF)
    assert report.bad == sum(status >= 400 for _, status, _ in answers) == 41
    assert report.state == "exhausted"


def test_burn_alerts_count_the_same_events(wb: Workbench, answers: Answers) -> None:
    """The series that burn alerts read begin and end with the logs: there is no request in this home at all."""
    slow = [at for at, _, ms in answers if ms > 300]
    frame = wb.promql('pitchey_slo_bad_total{slo="nova-latency"}', END - timedelta(minutes=14), END, "15s")
    assert len(frame) > 40
    for time, value in frame.iloc[:, 0].items():
        assert value == sum(at <= time for at in slow)
    valid = wb.promql('pitchey_slo_valid_total{slo="nova-latency"}', end=END).iloc[0, 0]
    assert valid == len(answers)


def test_a_burn_alert_fires_on_lines(wb: Workbench) -> None:
    """Most answers take longer than 250 ms, so an SLO that allows three in a hundred burns; 300 ms burns nothing."""
    groups = slo_groups(wb.settings.config / "slos")
    tested = wb.backtest(groups, END - timedelta(minutes=15), END, incidents=[])
    burning = {h.rule.labels["slo"] for h in tested.backtest.rules if h.fired and "severity" in h.rule.labels}
    assert burning == {"nova-strict"}


def test_lines_are_a_series_and_an_sli(wb: Workbench) -> None:
    levels = wb.promql("sum by (level) (pitchey_log_lines_total)", end=END)
    text = LOG.read_text()
    told = {name: levels[column].iloc[0] for column in levels for name in ("info", "warning") if name in str(column)}
    assert told == {"info": float(text.count(" INFO ")), "warning": float(text.count(" WARNING "))}
    (calm,) = wb.slo("nova-calm").report(end=AS_OF)
    assert calm.sli == pytest.approx(1 - 31 / 2_000, abs=0.002)


def test_rows_that_only_the_server_has_count(tmp_path: Path) -> None:
    """In hot, not in the lake yet: from the first line on, a series begins and goes on."""
    weights = [4.0, 1.0] * 20
    made = rows("logs", 40, start=END - timedelta(minutes=10), level=["INFO", "error"] * 20, sample_interval=weights)
    with fresh_store(tmp_path, clock=FixedClock(END)) as store:
        store.append("logs", made.slice(0, 20))
        store.flush()
        store.append("logs", made.slice(20))
        at = int((END - timedelta(minutes=9)).timestamp() * 1_000)
        found = instant("sum by (level) (pitchey_log_lines_total)", StoreScan(store), at)
        told = {dict(labels)["level"]: float(values[-1]) for labels, _, values in found.series()}
    assert told == {"info": 80.0, "error": 20.0}


def test_the_rules_of_the_docs_run(wb: Workbench, tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(groups:.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "logs.yml").write_text(block)
    tested = wb.backtest(tmp_path / "logs.yml", END - timedelta(minutes=15), END, incidents=[])
    assert [(h.rule.name, h.failed, h.fired) for h in tested.backtest.rules] == [
        ("MoreErrorLines", 0, ()),
        ("ServiceFellSilent", 0, ()),
    ]
    assert all(h.steps > 50 for h in tested.backtest.rules)


def test_lint_says_what_the_alerts_are_good_for(wb: Workbench) -> None:
    reports = {report.slo: report for report in wb.lint("nova-availability", "nova-latency", end=AS_OF)}
    assert set(reports) == {"nova-availability", "nova-latency"}


def test_the_docs_can_be_loaded(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(apiVersion: openslo.*?)```", DOCS.read_text(), re.DOTALL)
    for i, block in enumerate(blocks):
        (tmp_path / f"{i}.yaml").write_text(block)
    names = {slo.name for i in range(len(blocks)) for slo in load(tmp_path / f"{i}.yaml")}
    assert names == {"nova-availability", "nova-latency", "nova-calm"}
