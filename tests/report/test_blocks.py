"""The blocks every report has: what changed since the one before, and where its numbers come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from pitchey_slo.report import facts as kept
from pitchey_slo.report import find, told
from pitchey_slo.report.about import About, about, changes, ending, since
from pitchey_slo.report.facts import Fact, Facts, compare
from pitchey_slo.report.record import Run
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench

ERRORS = Fact("errors", "failed <requests>", 0.0123, "ratio", better="down", digits=2)
SPEED = Fact("p95", "p95", 310.0, "ms", better="down")
BUDGET = Fact("budget", "budget left", 0.4, "ratio", better="up", digits=0)
REQUESTS = Fact("requests", "requests", 1_000.0)


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    home = tmp_path_factory.mktemp("blocks")
    with fresh_store(home / "home", clock=FixedClock(NOON)) as store:
        times = [NOON - timedelta(minutes=m) for m in (5, 10, 200)]
        store.append("requests", rows("requests", 3, ts=times))
    yield Workbench(Settings.load(env_file=None, home=home / "home", reports=home / "reports", config=home))


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kept.WRITE, raising=False)
    monkeypatch.delenv(kept.READ, raising=False)


def what(wb: Workbench, **parameters: object) -> About:
    return about(
        wb,
        "30_slo_report",
        start=NOON - timedelta(hours=1),
        end=NOON,
        tables=["requests", "logs"],
        parameters={"window": "1h", "end": None, **parameters},
        now=NOON + timedelta(minutes=1),
    )


def test_a_change_is_better_or_worse_as_the_fact_says() -> None:
    then = Facts((ERRORS, SPEED, BUDGET, REQUESTS))
    now = Facts(
        (
            replace(ERRORS, value=0.02),
            replace(SPEED, value=310.4),
            replace(BUDGET, value=0.5),
            replace(REQUESTS, value=9),
        )
    )
    assert [(c.fact.name, c.verdict) for c in compare(then, now)] == [
        ("errors", "worse"),
        ("p95", "same"),  # 310 ms both, for a reader
        ("budget", "better"),
        ("requests", "changed"),
    ]
    assert [c.words for c in compare(then, now)] == ["+0.77 points", "", "+10 points", "−991 (−99 %)"]


def test_missing_is_said_and_is_no_number() -> None:
    then = Facts((ERRORS, replace(SPEED, value=None), BUDGET, replace(REQUESTS, value=None)))
    now = Facts((replace(ERRORS, value=None), SPEED, Fact("new", "a new one", 1.0), replace(REQUESTS, value=None)))
    verdicts = {c.fact.name: c.verdict for c in compare(then, now)}
    assert verdicts == {"errors": "missing", "p95": "found", "new": "new", "budget": "gone", "requests": "same"}
    page = since(then, now)
    assert "missing now" in told.plain(page) and "<requests>" not in page.markup
    assert "0.00" not in told.plain(page)


def test_a_change_within_both_margins_may_be_chance() -> None:
    then, now = (Fact("n", "payments", v, better="up", margin=30.0) for v in (1_000.0, 1_040.0))
    assert [c.verdict for c in compare(Facts((then,)), Facts((now,)))] == ["chance"]  # 42 or more would count
    assert [c.verdict for c in compare(Facts((then,)), Facts((replace(now, value=1_050.0),)))] == ["better"]
    page = told.plain(since(Facts((then,)), Facts((now,))))
    assert "No more than chance would do: payments" in page and "all as before" in page and "better" not in page


def test_the_first_report_has_nothing_to_be_compared_with(wb: Workbench, by_hand: None) -> None:
    assert "first report of its kind" in str(changes(what(wb, window="2h"), [ERRORS]))


def test_a_run_keeps_its_facts_and_the_next_one_reads_them(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, errors in ((first, 0.0123), (second, 0.02)):
        folder.mkdir()
        monkeypatch.setenv(kept.WRITE, str(folder / kept.FILE))
        words = told.paragraph("All is <well>.", "Really.", kind="lead") + told.paragraph("More.")
        block = changes(what(wb), [replace(ERRORS, value=errors), SPEED], words)
        monkeypatch.setenv(kept.READ, str(folder))
    raw = orjson.loads((first / kept.FILE).read_bytes())
    assert raw["facts"][0]["value"] == 0.0123 and raw["facts"][0]["better"] == "down" and raw["facts"][0]["unit"]
    assert raw["summary"] == "All is <well>. Really."
    assert raw["end"] == "2026-03-02T12:00:00Z"
    said = told.plain(block)
    assert "1 worse, 1 as before" in said and "+0.77 points" in said and "1.23 %" in said
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_run_told_of_none_before_it_does_not_look_for_one(
    wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kept.WRITE, str(tmp_path / "facts.json"))
    monkeypatch.delenv(kept.READ, raising=False)
    assert kept.previous("30_slo_report", {}, wb.settings.reports) is None


def test_by_hand_the_newest_good_run_of_the_same_question_is_found(wb: Workbench, by_hand: None) -> None:
    for name, status, window, minutes, value in (
        ("old", "succeeded", "1h", 1, 0.3),
        ("right", "succeeded", "1h", 2, 0.2),
        ("failed", "failed", "1h", 3, 0.1),
        ("other", "succeeded", "7d", 4, 0.0),
    ):
        folder = wb.settings.reports / "30_slo_report" / name
        folder.mkdir(parents=True)
        given = {"window": window, "end": "2026-03-01T00:00:00Z"}  # another time is the same question
        at = NOON + timedelta(minutes=minutes)
        run = Run(name, "30_slo_report", "t", "h", given, at, str(folder / "n.ipynb"), str(folder / "n.html"))
        replace(run, status=status, ended_at=at).write()
        kept.write(Facts((replace(ERRORS, value=value),), written_at=kept.iso(at)), folder / kept.FILE)
    assert "20.00 %" in told.plain(changes(what(wb), [ERRORS]))
    assert kept.previous("20_percentiles", {"window": "1h", "end": None}, wb.settings.reports) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"facts": [{"name": 1}]}', '{"facts": 7}'])
def test_facts_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / kept.FILE).write_text(text)
    assert kept.read(tmp_path) is None


def test_facts_of_a_later_version_are_read_without_what_is_unknown(tmp_path: Path) -> None:
    fact = {"name": "a", "label": "b", "value": 1.0, "unit": "count", "better": None, "colour": "blue"}
    (tmp_path / kept.FILE).write_bytes(orjson.dumps({"facts": [fact], "mood": "good"}))
    assert kept.read(tmp_path) == Facts((Fact("a", "b", 1.0),))


def test_a_name_told_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="told twice: errors"):
        kept.all_of(ERRORS, [SPEED, ERRORS])


def test_the_end_says_what_was_read_how_old_and_how_to_have_it_again(wb: Workbench, by_hand: None) -> None:
    page = told.plain(ending(what(wb), {"rules": "7"}))
    words = " ".join(page.split())
    assert "requests 2026-03-02 11:55 UTC 6 min 2 " in words  # of three requests two lie in the time
    assert "logs no row – 0" in words
    assert "pitchey-slo report run 30_slo_report -p window=1h -p end=2026-03-02T12:00:00Z" in page
    assert "by hand" in page and "rules" in page and wb.settings.lake_uri in page
    assert "duckdb" in page and "Python 3" in page


def test_within_a_run_the_end_names_it(wb: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("20260302-1", "30_slo_report", "t", "ab" * 32, {}, NOON, str(tmp_path / "n.ipynb"), "")
    run.write()
    monkeypatch.setenv(kept.WRITE, str(tmp_path / kept.FILE))
    page = told.plain(ending(what(wb)))
    assert "20260302-1" in page and "abababababab" in page


SHIPPED = sorted(shipped("notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_notebook_has_the_blocks_typed_parameters_and_a_line_in_the_guide(path: Path) -> None:
    cells = orjson.loads(path.read_bytes())["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    assert any("changes(" in c or ".changed()" in c for c in code[2:]), "it does not say what changed"
    assert re.search(r"\b(provenance|ending)\(", code[-1]), "it does not end with what it was made from"
    assert any("summary" in c for c in code), "it has no first paragraph"
    assert all(p.type != "any" and p.help for p in find(str(path)).parameters)
    guide = Path(__file__).parents[2] / "docs" / "reports.md"
    assert f"`{path.stem}`" in guide.read_text(encoding="utf-8"), "docs/reports.md does not list it"
