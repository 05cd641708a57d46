import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from pitchey_slo.cli import build
from pitchey_slo.cli.demo import History, choose
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings
from pitchey_slo.store import LakeReader

END = "2026-11-20T12:00:00+00:00"


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PITCHEY_HOME", raising=False)


def run(*arguments):
    result = CliRunner().invoke(build(["demo"]), ["demo", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    with pytest.raises(ConfigError) as caught:
        CliRunner().invoke(build(["demo"]), ["demo", *arguments], catch_exceptions=False, standalone_mode=False)
    return str(caught.value)


def count(home, table):
    settings = Settings.load(home=home)
    reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
    return reader.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py()


def test_a_demo_is_stored_once_and_a_second_one_is_refused(tmp_path):
    home = tmp_path / "home"
    options = ("--home", str(home), "--requests", "20000", "--days", "2", "--end", END)
    told = json.loads(run(*options, "--json"))
    assert told["rows"] == told["stored"]
    assert told["rows"]["requests"] == count(home, "requests") == 20_000
    assert count(home, "business_events") == told["rows"]["business_events"] > 1_000
    assert len(told["incidents"]) == count(home, "incidents") == 3

    assert "holds a demo already" in refused(*options)
    assert "--end " + END in refused("--home", str(home))
    again = json.loads(run(*options, "--json", "--again"))
    assert (again["stored"]["requests"], again["stored"]["business_events"]) == (0, 0)
    assert count(home, "requests") == 20_000


def test_it_says_what_it_wrote_and_what_to_do_next(tmp_path):
    text = run("--home", str(tmp_path / "h"), "--requests", "3000", "--days", "1")
    assert "3,000" in text
    assert "error_burst" in text
    assert f"pitchey-slo slo report --home {tmp_path / 'h'}" in text


def test_live_traffic_is_stored(tmp_path):
    told = json.loads(run("--home", str(tmp_path), "--live", "400", "--seconds", "1.2", "--json"))
    assert 100 <= told["rows"]["requests"] <= 600
    assert count(tmp_path, "requests") == told["rows"]["requests"]


def test_an_end_nobody_can_use_is_refused(tmp_path):
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for end, says in ((ahead, "in the future"), ("2026-11-20T12:00:00", "no time zone"), ("soon", "is no time")):
        assert says in refused("--home", str(tmp_path), "--end", end)
    assert not (tmp_path / "demo.json").exists()


def test_an_interrupted_demo_is_finished_by_the_same_command(tmp_path):
    History(seed=7, days=1, requests=5_000, end=END).write(tmp_path)
    told = json.loads(run("--home", str(tmp_path), "--requests", "5000", "--days", "1", "--json"))
    assert told["end"] == END
    assert count(tmp_path, "requests") == 5_000
    held = History.of(tmp_path)
    assert held is not None
    assert held.done


HELD = History(seed=7, days=30, requests=1_000, end=END)
LATER = History(seed=7, days=30, requests=1_000, end="2026-11-21T12:00:00+00:00")


def test_an_unfinished_demo_is_finished_with_its_own_end():
    assert choose(LATER, HELD, given=False, again=False) == HELD
    assert choose(HELD, HELD, given=True, again=False) == HELD
    for asked, given in ((LATER, True), (History(8, 30, 1_000, END), False)):
        with pytest.raises(ConfigError, match="unfinished demo"):
            choose(asked, HELD, given=given, again=False)


def test_again_writes_what_is_asked():
    assert choose(LATER, HELD, given=False, again=True) == LATER
    assert choose(LATER, None, given=False, again=False) == LATER


def test_a_mark_nobody_can_read_is_named(tmp_path):
    (tmp_path / "demo.json").write_text("{")
    assert "demo.json" in refused("--home", str(tmp_path))
