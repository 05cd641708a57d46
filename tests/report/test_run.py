"""Runs for real: Papermill, a kernel, a store."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from pitchey_slo.errors import ParameterError, RunFailed
from pitchey_slo.report import Limits, Outcome, find, run_notebook, runs
from pitchey_slo.report.worker import environment
from pitchey_slo.settings import Settings
from pitchey_slo.testing import FixedClock, fresh_store, rows
from pitchey_slo.workbench import connect

from .made import notebook, opened

SECRET = "hunter2-never-shown"
LOOK = "import json, os, sys\nprint(json.dumps({'window': window, 'env': dict(os.environ), 'cwd': os.getcwd()}))"
FIGURE = (
    "import plotly.graph_objects as go\n"
    "go.Figure(go.Bar(x=['<img src=x onerror=alert(1)>'], y=[times]), "
    "layout={'title': {'text': '</script><script>alert(1)</script>'}})"
)
HOSTILE = """
from IPython.display import HTML
HTML('<script>document.title = "owned"</script><img src="http://elsewhere.invalid/a.png" onerror="document.title = 1">')
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("runs")
    with fresh_store(folder / "home", clock=FixedClock()) as store:
        store.append("requests", rows(count=3))
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", smtp_password=SECRET)


@pytest.fixture(scope="module")
def good(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[tuple[int, int]]]:
    """One good run, looked at by several tests, with what its progress told."""
    path = notebook(tmp_path_factory.mktemp("nb"), cells=[LOOK, FIGURE, HOSTILE])
    told: list[tuple[int, int]] = []
    os.environ["SMTP_PASSWORD"] = os.environ["MY_API_TOKEN"] = SECRET
    try:
        outcome = run_notebook(
            find(str(path)),
            {"window": "7d 😀 1e+22"},
            settings,
            progress=lambda done, total: told.append((done, total)),
        )
    finally:
        del os.environ["SMTP_PASSWORD"], os.environ["MY_API_TOKEN"]
    return outcome, told


def printed(outcome: Outcome) -> dict[str, Any]:
    cells = json.loads(Path(outcome.run.output).read_text())["cells"]
    looked = next(c for c in cells if "os.environ" in "".join(c["source"]))
    found: dict[str, Any] = json.loads("".join(looked["outputs"][0]["text"]))
    return found


def test_a_run_keeps_notebook_page_log_and_record(good: tuple[Outcome, Any], settings: Settings) -> None:
    run = good[0].run
    assert run.status == "succeeded"
    assert run.folder == settings.reports / "10_try_report" / run.id
    assert sorted(p.name for p in run.folder.iterdir()) == [
        "10_try_report.html",
        "10_try_report.ipynb",
        "log.txt",
        "run.json",
    ]
    assert good[0].warnings == ()


def test_parameters_arrive_exactly(good: tuple[Outcome, Any]) -> None:
    assert printed(good[0])["window"] == "7d 😀 1e+22"
    assert good[0].run.parameters == {"window": "7d 😀 1e+22", "times": 2}


def test_the_worker_has_no_secret_and_its_own_folder(good: tuple[Outcome, Any], settings: Settings) -> None:
    found = printed(good[0])
    assert SECRET not in json.dumps(found["env"])
    assert found["env"]["PITCHEY_HOME"] == str(settings.home)
    assert found["cwd"] == str(good[0].run.folder)
    assert SECRET not in "".join(p.read_text() for p in good[0].run.folder.iterdir())


def test_progress_is_told(good: tuple[Outcome, list[tuple[int, int]]]) -> None:
    told = good[1]
    assert told == sorted(told)
    assert {total for _, total in told} == {7}  # the verdict on the data is a cell of its own
    assert told[-1][0] <= 7


def test_the_run_is_in_the_registry(good: tuple[Outcome, Any], settings: Settings) -> None:
    found = connect(settings=settings).sql("SELECT * FROM report_runs").df()
    [row] = found[found["id"] == good[0].run.id].to_dict("records")
    assert row["status"] == "succeeded"
    assert json.loads(row["parameters"]) == good[0].run.parameters
    assert row["notebook_hash"] == good[0].run.notebook_hash
    assert row["data_watermark"] == FixedClock()().replace(second=2)
    assert row["ended_at"] > row["started_at"]


def test_the_page_draws_its_chart_without_network(good: tuple[Outcome, Any]) -> None:
    with opened(Path(good[0].run.html)) as seen:
        assert seen.page.locator(".js-plotly-plot svg.main-svg").first.is_visible()
        assert seen.page.locator(".js-plotly-plot").count() == 1
        assert seen.page.locator(".js-plotly-plot .bars path").count() == 1
        # what the hostile cell asked for was refused by the page's policy, before any network
        assert seen.tried in ([], ["http://elsewhere.invalid/a.png"])
        assert any("Content Security Policy" in m for m in seen.messages)
        assert seen.page.title() == "A title"
        assert seen.page.locator(".gtitle").text_content() == "</script><script>alert(1)</script>"


def test_a_failing_notebook_keeps_what_it_found_and_names_the_cell(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, "20_fails", cells=["print('before')", "ratio = 1 / (times - 2)", "print('never')"])
    with pytest.raises(RunFailed) as caught:
        run_notebook(find(str(path)), {}, settings)
    assert "20_fails failed in cell 3 (ratio = 1 / (times - 2)): ZeroDivisionError: division by zero" in str(
        caught.value
    )
    detail = caught.value.detail
    assert detail["failed_cell"] == 3
    assert "before" in Path(detail["output"]).read_text()
    page = Path(detail["html"]).read_text()
    assert "This run failed" in page
    assert 'id="cell-3"' in page
    assert "never" not in page.split("<main>")[1].split("cell-4")[0]
    row = connect(settings=settings).sql("SELECT * FROM report_runs WHERE notebook = '20_fails'").df().iloc[0]
    assert (row["status"], row["failed_cell"], row["error"]) == ("failed", 3, "ZeroDivisionError: division by zero")


def test_a_kernel_that_dies_is_the_cell_that_killed_it(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, "21_dies", cells=["1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "2"])
    with pytest.raises(RunFailed, match=r"failed in cell 3 \(import os, signal\): the kernel died"):
        run_notebook(find(str(path)), {}, settings)


def test_when_the_time_is_up_the_run_has_failed(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, "22_slow", cells=["import time\ntime.sleep(600)"])
    began = time.monotonic()
    with pytest.raises(RunFailed, match="not finished after 4 seconds; it was stopped") as caught:
        run_notebook(find(str(path)), {}, settings, limits=Limits(seconds=4))
    assert time.monotonic() - began < 60
    assert caught.value.detail["status"] == "failed"
    assert Path(caught.value.detail["html"]).exists()


def test_a_run_that_is_interrupted_is_killed_with_everything_it_started(settings: Settings, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    # busy in C, deaf to signals that Python would have to handle
    busy = f"import os, pathlib\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\nsum(range(10**12))"
    path = notebook(tmp_path, "22_busy", cells=[busy])

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            deadline = time.monotonic() + 60
            while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_notebook(find(str(path)), {}, settings, progress=interrupt)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(mark.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(mark.read_text()))
    [found] = [r for r in runs(settings.reports) if r.notebook == "22_busy"]
    assert (found.status, found.error) == ("failed", "interrupted")


def test_memory_is_limited(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, "23_hungry", cells=["x = bytearray(6 << 30)"])
    with pytest.raises(RunFailed, match="MemoryError"):
        run_notebook(find(str(path)), {}, settings, limits=Limits(memory=5 << 30))


def test_two_runs_at_once_both_succeed(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, "24_twice", cells=["print(window)"])
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(run_notebook, find(str(path)), {"window": w}, settings) for w in ("7d", "1d")]
        found = [job.result(timeout=120) for job in jobs]
    assert {o.run.status for o in found} == {"succeeded"}
    assert [o.warnings for o in found] == [(), ()]
    assert len({o.run.id for o in found}) == 2
    index = (settings.reports / "index.html").read_text()
    assert all(o.run.id in index for o in found)


def test_a_store_that_cannot_be_written_costs_the_row_and_not_the_report(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    lost = Settings.load(env_file=None, home=tmp_path / "home", reports=tmp_path / "reports")
    outcome = run_notebook(find(str(notebook(tmp_path, "27_kept", cells=["print('kept')"]))), {}, lost)
    assert outcome.run.status == "succeeded"
    assert "kept" in Path(outcome.run.html).read_text()
    assert any("is not in the table report_runs" in w for w in outcome.warnings)


def test_a_wrong_parameter_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, "25_strict", cells=["1"])
    with pytest.raises(ParameterError):
        run_notebook(find(str(path)), {"windw": "7d"}, settings)
    assert not (settings.reports / "25_strict").exists()


def test_the_keys_of_a_bucket_are_passed_only_for_a_lake_in_a_bucket() -> None:
    keys = {"s3_access_key_id": "ID", "s3_secret_access_key": "KEY", "smtp_password": SECRET}
    local = environment(Settings.load(env_file=None, **keys), {})
    bucket = environment(Settings.load(env_file=None, lake="s3://b/lake", **keys), {})
    assert "PITCHEY_S3_SECRET_ACCESS_KEY" not in local
    assert bucket["PITCHEY_S3_SECRET_ACCESS_KEY"] == "KEY"
    assert "SMTP_PASSWORD" not in local | bucket


def test_a_relative_home_is_passed_as_an_absolute_path() -> None:
    env = environment(Settings.load(env_file=None, home=Path("data"), retention={"requests": 7}), {})
    assert env["PITCHEY_HOME"] == str(Path("data").absolute())
    assert json.loads(env["PITCHEY_RETENTION"]) == {"requests": 7}


def test_a_run_whose_process_is_gone_is_not_running_for_ever(good: tuple[Outcome, Any], settings: Settings) -> None:
    folder = settings.reports / "26_lost" / "x"
    folder.mkdir(parents=True)
    record = json.loads((good[0].run.folder / "run.json").read_text())
    lost = {"id": "x", "notebook": "26_lost", "status": "running", "pid": 2**22 + 1, "ended_at": None}
    (folder / "run.json").write_text(json.dumps(record | lost))
    [found] = [r for r in runs(settings.reports) if r.notebook == "26_lost"]
    assert (found.status, found.error) == ("failed", "the process that ran it is gone")
