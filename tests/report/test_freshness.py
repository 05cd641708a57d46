"""The verdict on the data before a report runs: old, with holes, with a silent source, late, or all there."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.errors import ReportError
from pitchey_slo.report import find
from pitchey_slo.report.banner import markdown, with_verdict
from pitchey_slo.report.freshness import Freshness, judge, needs, sentences, unread
from pitchey_slo.store import LakeReader
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

from .made import notebook

WANTED = {"requests": 3_600.0}


def lake(folder: Path, *minutes: tuple[int, int, str]) -> LakeReader:
    """Requests every ten seconds from minute to minute after NOON, of a source."""
    with fresh_store(folder / "home", clock=FixedClock(NOON + timedelta(days=1))) as store:
        for first, last, source in minutes:
            start = NOON + timedelta(minutes=first)
            store.append("requests", rows(count=(last - first) * 6, start=start, step=10, source=source))
        uri = store.settings.lake_uri
    return LakeReader(uri)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_young_data_without_holes_is_fresh(tmp_path: Path) -> None:
    found = judge(lake(tmp_path, (0, 60, "edge")), WANTED, after(70))
    assert (found.verdict, found.problems) == ("fresh", ())
    assert found.ages[0].newest == after(60) - timedelta(seconds=10)
    assert sentences(found.as_dict()) == [
        "The data was fresh when this report began: newest row of requests 10 min 10 s old."
    ]


def test_old_data_is_stale_to_the_second(tmp_path: Path) -> None:
    reader = lake(tmp_path, (0, 60, "edge"))
    newest = after(60) - timedelta(seconds=10)
    assert judge(reader, WANTED, newest + timedelta(hours=1)).verdict == "fresh"
    found = judge(reader, WANTED, newest + timedelta(hours=1, seconds=1))
    assert found.verdict == "stale"
    assert "2026-03-02 12:59 UTC, 1 h old; this report allows 1 h" in found.problems[0]


def test_a_report_about_a_time_that_is_over_is_judged_at_its_end(tmp_path: Path) -> None:
    reader = lake(tmp_path, (0, 60, "edge"))
    assert judge(reader, WANTED, after(10_000), end=after(65)).verdict == "fresh"
    assert judge(reader, WANTED, after(10_000), end=after(1_000)).verdict == "stale"
    # an end in the future does not make data older than it is
    assert judge(reader, WANTED, after(65), end=after(10_000)).verdict == "fresh"


def test_minutes_without_rows_are_told_with_their_time(tmp_path: Path) -> None:
    found = judge(lake(tmp_path, (0, 30, "edge"), (45, 60, "edge")), WANTED, after(61))
    assert found.verdict == "partial"
    assert found.problems == ("requests has no row from 2026-03-02 12:30 UTC to 2026-03-02 12:45 UTC: 15 min in all.",)


def test_a_pause_that_is_usual_is_no_hole(tmp_path: Path) -> None:
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON + timedelta(days=1))) as store:
        store.append("requests", rows(count=100, step=800))  # every 13 minutes
        reader = LakeReader(store.settings.lake_uri)
        store.flush()
        assert judge(reader, WANTED, NOON + timedelta(seconds=80_000)).verdict == "fresh"


def test_a_source_that_stopped_while_others_go_on_is_named(tmp_path: Path) -> None:
    found = judge(lake(tmp_path, (0, 60, "edge"), (0, 20, "worker-b")), WANTED, after(61))
    assert found.verdict == "partial"
    assert found.problems == ("requests of worker-b stopped at 2026-03-02 12:19 UTC, 41 min 10 s ago.",)


def test_an_empty_table_and_a_lake_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    reader = lake(tmp_path, (0, 60, "edge"))
    found = judge(reader, {**WANTED, "probes": 60.0}, after(61))
    assert (found.verdict, found.problems) == ("unknown", ("probes holds no row.",))
    assert unread(WANTED, NOON, "no lake").verdict == "unknown"


def test_rows_that_have_not_reached_the_lake_make_it_partial(tmp_path: Path) -> None:
    found = judge(lake(tmp_path, (0, 60, "edge")), WANTED, after(61), late="the store is locked")
    assert found.verdict == "partial"
    assert "the store is locked" in found.problems[-1]


def test_a_notebook_says_what_it_needs_and_a_schedule_may_say_otherwise(tmp_path: Path) -> None:
    path = notebook(tmp_path, cells=["1"])
    assert needs(find(str(path))) == {"requests": 7_200.0}
    text = json.loads(path.read_text())
    text["metadata"]["pitchey"] = {"needs": {"requests": "30m", "probes": "1d"}}
    path.write_text(json.dumps(text))
    assert needs(find(str(path)), {"probes": 60.0}) == {"requests": 1_800.0, "probes": 60.0}
    text["metadata"]["pitchey"] = {"needs": {"request": "30m"}}
    path.write_text(json.dumps(text))
    with pytest.raises(ReportError, match="no table 'request'; did you mean \"requests\""):
        needs(find(str(path)))


def test_the_verdict_stands_below_the_title_and_nothing_else_changes(tmp_path: Path) -> None:
    before = json.loads(notebook(tmp_path, cells=["1"]).read_text())
    stale = Freshness("stale", NOON, (), ("requests of <b>x</b> [a](http://x) stopped.",)).as_dict()
    after_ = json.loads(with_verdict(json.dumps(before), stale))
    told = after_["cells"].pop(1)
    assert after_ == before
    assert told["metadata"]["tags"] == ["freshness"]
    assert told["source"].startswith("> ⚠ **The data of this report is old.**")
    assert r"\<b\>x" in told["source"] and r"\[a\]" in told["source"]
    assert markdown({"verdict": "unknown", "problems": []}).startswith("> ⚠ **Nobody knows")
