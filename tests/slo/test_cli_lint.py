"""`pitchey-slo slo lint` and `slo export` on a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pitchey_slo.testing import fresh_store, rows
from tests.shell import Done, shell
from tests.slo.made import spec_text

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def run(*words: str, cwd: Path) -> Done:
    return shell("slo", *words, cwd=cwd, env={"TERM": "dumb", "NO_COLOR": "1"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    slos = folder / "config" / "slos"
    slos.mkdir(parents=True)
    (slos / "good.yaml").write_text(spec_text(name="good", objectives="[{target: 0.999}]"))
    (slos / "useless.yaml").write_text(spec_text(name="useless", objectives="[{target: 0.9}]"))
    status = [500 if i == 700 else 200 for i in range(1200)]
    with fresh_store(folder / "data") as store:
        made = rows(count=1200, start=START - timedelta(hours=20), step=60, status=status, route="/api/pitches")
        store.append("requests", made)
    return folder


def test_it_ends_with_1_when_an_alert_is_useless(place: Path) -> None:
    good = run("lint", "good", cwd=place)
    assert good.returncode == 0, good.stderr
    assert "0 errors" in good.stdout and "1h/5m" in good.stdout
    useless = run("lint", cwd=place)
    assert useless.returncode == 1 and not useless.stderr
    assert "It can never fire" in useless.stdout and "What works: a factor below 10" in useless.stdout
    assert max(map(len, useless.stdout.splitlines())) <= 100


def test_json_has_every_digit(place: Path) -> None:
    found = json.loads(run("lint", "--json", cwd=place).stdout)
    by_name = {r["slo"]: r for r in found}
    page = by_name["good"]["conditions"][0]
    assert page["limit"] == 13.44 * 0.001 and page["detections"][4]["minutes"] == pytest.approx(0.8064)
    assert len(page["needed"]) == 168 and sum(n is not None for n in page["needed"]) == 20
    assert [f["kind"] for f in by_name["useless"]["findings"] if f["level"] == "error"] == ["cannot_fire"]


def test_the_notebook_gets_the_same(place: Path) -> None:
    import pitchey_slo as ps
    from pitchey_slo.settings import Settings

    told = json.loads(run("lint", "--json", "--end", "2026-03-02T08:00", cwd=place).stdout)
    wb = ps.connect(settings=Settings.load(env_file=None, home=place / "data", config=place / "config"))
    assert [r.as_dict() for r in wb.lint(end="2026-03-02T08:00")] == told
    assert [r.slo for r in wb.lint("good")] == ["good"]


def test_prometheus_rules_on_the_screen_and_in_a_file(place: Path, tmp_path: Path) -> None:
    done = run("export", "prometheus", "good", cwd=place)
    assert done.returncode == 0, done.stderr
    groups = YAML(typ="safe").load(done.stdout)["groups"]
    assert [g["name"] for g in groups] == [f"pitchey-slo-{k}-test-good" for k in ("recordings", "meta", "alerts")]
    run("export", "prometheus", "good", "-o", str(tmp_path / "rules.yml"), cwd=place)
    assert (tmp_path / "rules.yml").read_text() == done.stdout


def test_a_grafana_dashboard(place: Path) -> None:
    board = json.loads(run("export", "grafana", cwd=place).stdout)
    assert [p["title"].split(":")[0] for p in board["panels"] if p["type"] == "row"] == ["good", "useless"]


def test_a_misspelt_name_is_one_clear_line(place: Path) -> None:
    for words in (("lint", "goood"), ("export", "prometheus", "goood")):
        done = run(*words, cwd=place)
        assert done.returncode == 1 and 'did you mean "good"' in done.stderr and "Traceback" not in done.stderr
