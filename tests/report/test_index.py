"""The index page: every run, by kind and date, whatever people wrote into titles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pitchey_slo.report import index, runs
from pitchey_slo.report.record import Run

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"


def made(reports: Path, name: str, notebook: str = "30_slo_report", **changes: object) -> Run:
    """A run that ended well, with its files in place."""
    folder = reports / notebook / name
    folder.mkdir(parents=True)
    run = Run(
        id=name,
        notebook=notebook,
        title="SLO report",
        notebook_hash="0" * 64,
        parameters={"window": "", "service": "all"},
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=83),
        output=str(folder / f"{notebook}.ipynb"),
        html=str(folder / f"{notebook}.html"),
        status="succeeded",
        data_watermark=NOON,
    )
    run = replace(run, **changes)  # type: ignore[arg-type]
    Path(run.html).write_text("page")
    Path(run.output).write_text("{}")
    run.write()
    return run


def test_runs_are_listed_by_kind_newest_first(tmp_path: Path) -> None:
    made(tmp_path, "a")
    made(tmp_path, "b", started_at=NOON + timedelta(days=1))
    made(tmp_path, "c", notebook="40_other", title="Other")
    assert [r.id for r in runs(tmp_path)] == ["b", "c", "a"]
    page = index.write(tmp_path).read_text()
    assert [page.index(f"{n}/") for n in ("30_slo_report/b", "30_slo_report/a", "40_other/c")] == sorted(
        page.index(f"{n}/") for n in ("30_slo_report/b", "30_slo_report/a", "40_other/c")
    )
    assert "2026-03-02 12:00 UTC" in page
    assert "1 min 23 s" in page
    assert "<td>service: all</td>" in page


def test_a_failed_run_says_where_and_why(tmp_path: Path) -> None:
    made(tmp_path, "a", status="failed", failed_cell=4, error="ValueError: no")
    page = index.write(tmp_path).read_text()
    assert "cell 4: ValueError: no" in page


def test_links_are_relative_and_point_at_files(tmp_path: Path) -> None:
    run = made(tmp_path, "a b#c")
    page = index.write(tmp_path).read_text()
    assert 'href="30_slo_report/a%20b%23c/30_slo_report.html"' in page
    assert str(tmp_path) not in page
    Path(run.html).unlink()
    assert ".html" not in index.write(tmp_path).read_text()


def test_whatever_people_wrote_is_escaped(tmp_path: Path) -> None:
    made(tmp_path, "a", title=HOSTILE, parameters={"window": HOSTILE}, status="failed", error=HOSTILE)
    page = index.write(tmp_path).read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 3


def test_a_folder_without_runs_says_how_to_begin(tmp_path: Path) -> None:
    assert "pitchey-slo report run slo" in index.write(tmp_path).read_text()


def test_a_record_nobody_can_read_does_not_hide_the_others(tmp_path: Path) -> None:
    made(tmp_path, "a")
    bad = tmp_path / "30_slo_report" / "z"
    bad.mkdir()
    (bad / "run.json").write_text("{")
    assert [r.id for r in runs(tmp_path)] == ["a"]


def test_writers_at_the_same_time_leave_the_newest_state(tmp_path: Path) -> None:
    def one(number: int) -> None:
        made(tmp_path, f"run-{number:02}")
        index.write(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    page = (tmp_path / "index.html").read_text()
    assert sum(f"run-{n:02}/" in page for n in range(24)) == 24
    assert not list(tmp_path.glob("*.tmp"))
