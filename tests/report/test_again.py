"""The same report again: found, made anew, shared by two who ask at once, refused on old data, searched for secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from pitchey_slo.errors import NotFresh, RunFailed
from pitchey_slo.report import Asked, find, run_notebook, runs
from pitchey_slo.report.run import Told
from pitchey_slo.settings import Settings
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

from .made import notebook, quick, unkept

SECRET = "hunter2-never-shown"
ASK = """
import sys
from pathlib import Path
from pitchey_slo.report import find, run_notebook
from pitchey_slo.report.worker import Ending
from pitchey_slo.settings import Settings
settings = Settings.load(env_file=None, home=Path(sys.argv[1]), reports=Path(sys.argv[2]), config=Path(sys.argv[3]))

def work(text, parameters, target, env, **_):
    import time
    time.sleep(0.5)
    target.write_text(text)
    return Ending(0, False, None, "")

outcome = run_notebook(find(sys.argv[4]), {}, settings, work=work, keep=lambda run, settings: None)
print(outcome.run.id, outcome.found)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with fresh_store(tmp_path / "home", clock=FixedClock()) as store:
        store.append("requests", rows(count=3))
    (tmp_path / "config").mkdir()
    given = {"home": tmp_path / "home", "reports": tmp_path / "reports", "config": tmp_path / "config"}
    return Settings.load(env_file=None, smtp_password=SECRET, **given)


def test_the_same_again_is_the_run_that_is_there(settings: Settings, tmp_path: Path) -> None:
    path = find(str(notebook(tmp_path, cells=["print(1)"])))
    first = run_notebook(path, {}, settings, work=quick, keep=unkept)
    same = run_notebook(path, {}, settings, work=quick, keep=unkept)
    assert (same.found, same.run.id) == (True, first.run.id)
    assert not run_notebook(path, {}, settings, asked=Asked(again=True), work=quick, keep=unkept).found
    assert not run_notebook(path, {"window": "7d"}, settings, work=quick, keep=unkept).found
    assert len(runs(settings.reports)) == 3


def test_other_data_configuration_or_notebook_is_another_report(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, cells=["print(1)"])

    def anew() -> bool:
        return not run_notebook(find(str(path)), {}, settings, work=quick, keep=unkept).found

    assert anew() and not anew()
    with fresh_store(settings.home, clock=FixedClock(NOON + timedelta(hours=1))) as store:
        store.append("requests", rows(count=1, start=NOON - timedelta(days=1)))  # older than the newest: late data
    assert anew() and not anew()
    (settings.config / "slos").mkdir()
    (settings.config / "slos" / "a.yml").write_text("a: 1")
    assert anew() and not anew()
    notebook(tmp_path, cells=["print(2)"])
    assert anew() and not anew()


def test_a_run_that_failed_or_lost_its_page_is_not_found_again(settings: Settings, tmp_path: Path) -> None:
    path = find(str(notebook(tmp_path, cells=["print(1)"])))
    first = run_notebook(path, {}, settings, work=quick, keep=unkept)
    Path(first.run.html).unlink()
    assert not run_notebook(path, {}, settings, work=quick, keep=unkept).found


def test_two_processes_that_ask_at_once_get_one_run(settings: Settings, tmp_path: Path) -> None:
    path = notebook(tmp_path, cells=["print(1)"])
    words = [str(p) for p in (settings.home, settings.reports, settings.config, path)]
    asking = [subprocess.Popen([sys.executable, "-c", ASK, *words], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    told = [process.communicate(timeout=120)[0].split() for process in asking]
    assert told[0][0] == told[1][0]
    assert {t[1] for t in told} == {"True", "False"}
    assert len(runs(settings.reports)) == 1


def test_old_data_is_said_on_page_one_or_refused(settings: Settings, tmp_path: Path) -> None:
    path = find(str(notebook(tmp_path, cells=["print(1)"])))
    late = FixedClock(NOON + timedelta(hours=3))
    run = run_notebook(path, {}, settings, clock=late, work=quick, keep=unkept).run
    assert run.verdict == "stale"
    page = Path(run.html).read_text()
    assert page.index("The data of this report is old.") < page.index("<main>")
    assert "The data of this report is old." in json.loads(Path(run.output).read_text())["cells"][1]["source"]
    with pytest.raises(NotFresh, match=r"was not run, since it was to be run on fresh data only\. The data of this"):
        run_notebook(path, {"times": 3}, settings, asked=Asked(require_fresh=True), clock=late, work=quick, keep=unkept)
    [refused] = [r for r in runs(settings.reports) if r.status == "failed"]
    assert "2026-03-02 12:00 UTC, 2 h" in (refused.error or "")
    assert (
        run_notebook(path, {"times": 4}, settings, clock=FixedClock(NOON), work=quick, keep=unkept).run.verdict
        == "fresh"
    )


def test_a_secret_in_an_output_is_masked_and_told(settings: Settings, tmp_path: Path) -> None:
    hidden = (
        f"value = {SECRET[::-1]!r}[::-1]\nprint(value)\nopen('left.txt', 'w').write(value)\nraise ValueError(value)"
    )
    path = find(str(notebook(tmp_path, cells=[hidden])))
    with pytest.raises(RunFailed) as caught:
        run_notebook(path, {}, settings, keep=unkept)
    [run] = runs(settings.reports)
    assert SECRET not in "".join(p.read_text() for p in run.folder.iterdir())
    assert SECRET not in str(caught.value) + json.dumps(caught.value.detail)
    assert run.error == "ValueError: [masked: SMTP_PASSWORD]"
    assert run.masked and run.masked >= 3
    assert "Secrets were taken out of this report:</strong> SMTP_PASSWORD" in Path(run.html).read_text()


def test_who_waits_for_a_place_is_told(settings: Settings, tmp_path: Path) -> None:
    from pitchey_slo.report.slots import slot

    path = find(str(notebook(tmp_path, cells=["print(1)"])))
    places: list[int] = []
    seen: list[dict[str, int]] = []
    import threading

    with slot(settings.reports.absolute()), slot(settings.reports.absolute()):

        def waiting(place: int) -> None:
            places.append(place)
            seen.append(runs(settings.reports)[0].progress)

        job = threading.Thread(
            target=run_notebook,
            args=(path, {}, settings),
            kwargs={"told": Told(waiting=waiting), "work": quick, "keep": unkept},
        )
        job.start()
        deadline = 100
        while not seen and deadline:
            job.join(0.1)
            deadline -= 1
    job.join(60)
    assert places == [1]
    assert seen == [{"waiting": 1}]
    assert runs(settings.reports)[0].progress == {}
