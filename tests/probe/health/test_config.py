"""`config/health.yml`: what it may say, and how it is told what is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from pitchey_slo.errors import ConfigError
from pitchey_slo.names import PROBE_SERIES
from pitchey_slo.probe.health import KINDS, Watched, load, read
from pitchey_slo.probe.health.schema import schema

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config" / "health.yml"
SCHEMA = ROOT / "config" / "schema" / "health.schema.json"


def refused(text: str, **values: str) -> str:
    with pytest.raises(ConfigError) as error:
        read(text, "health.yml", values)
    return str(error.value)


def test_the_schema_beside_the_file_is_what_the_reader_knows() -> None:
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(schema()))
    Draft202012Validator.check_schema(schema())


def test_the_shipped_file_checks_the_workbench_and_the_api_once_its_address_is_set() -> None:
    config = load(SHIPPED, {})
    assert [p.name for p in config.checks] == ["workbench"] and config.left_out == ("api",)
    config = load(SHIPPED, {"API_BASE_URL": "https://pitchey.example"})
    api = config.checks[0]
    assert (api.name, api.component, api.target) == ("api", "api", "https://pitchey.example/api/health")


def test_the_examples_of_the_shipped_file_work_once_their_marks_are_taken_away() -> None:
    lines = SHIPPED.read_text().splitlines()
    text = "\n".join(re.sub(r"^  #(?! \S)", "  ", line) for line in lines)
    values = dict.fromkeys(("DATABASE_URL", "REPLICA_URL", "REDIS_URL", "R2_ENDPOINT", "WEBSOCKET_URL"), "x://host")
    values |= {"R2_ACCESS_KEY_ID": "a", "R2_SECRET_ACCESS_KEY": "b", "API_BASE_URL": "http://x"}
    config = read(text, "health.yml", values)
    assert {p.kind.name for p in config.checks} == set(KINDS)
    Draft202012Validator(schema()).validate(YAML(typ="safe").load(text))


def test_every_problem_is_told_with_its_place_and_what_would_work() -> None:
    told = refused(
        "checks:\n"
        "  api: {check: http, url: '${X}', status: [7xx], timeout: 9h, degraded: {latency: 1}, methd: GET}\n"
        "  B!: {check: postgrs}\n"
        "  none: {url: x}\n"
        "  db: {check: postgres, interval: 1h, unknown_after: 0}\n"
    )
    for part in (
        "health.yml:2:27: checks.api.url: X is not set in the environment nor in .env",
        "'7xx' is no status",
        "'9h' is no duration",
        "unknown key 'latency' (did you mean \"latency_seconds\"?)",
        "unknown key 'methd' (did you mean \"method\"?)",
        "'B!' cannot be the name of a check",
        "no check 'postgrs' (did you mean \"postgres\"?)",
        "check is missing",
        "url is missing",
        "'1h' is no duration",
        "checks.db.unknown_after: 0 is outside of what works (1 to 20)",
    ):
        assert part in told, part
    assert "stands twice" in refused("checks: {a: {check: workbench}, a: {check: workbench}}")
    assert "timeout: 20s is outside" in refused("checks: {a: {check: workbench, interval: 10s, timeout: 20s}}")


def test_what_the_reader_refuses_the_schema_refuses_too() -> None:
    validator = Draft202012Validator(schema())
    for text in (
        "checks: {a: {check: http}}",
        "loc: 1",
        "checks: {a: {check: redis, url: x, path: y}}",
        "checks: {a: {check: http, url: x, degraded: {latency: 1}}}",
        "checks: {A: {check: workbench}}",
    ):
        refused(text)
        assert list(validator.iter_errors(YAML(typ="safe").load(text))), text


def test_times_and_defaults() -> None:
    config = read(
        "defaults: {interval: 1m, timeout: 3s, unknown_after: 3}\n"
        "checks: {a: {check: workbench}, b: {check: workbench, timeout: 500ms, interval: 5, component: house}}",
        "health.yml", {},
    )  # fmt: skip
    a, b = config.checks
    assert (a.interval, a.timeout, a.unknown_after, a.component) == (60, 3, 3, "workbench")
    assert (b.interval, b.timeout, b.unknown_after, b.component) == (5, 0.5, 3, "house")


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:from-file@cache:6379/0\n")
    text = "checks: {a: {check: redis, url: '%s'}}"
    assert "from-file" in read(text % f"file:{tmp_path / 'url'}", "h", {}).checks[0].secrets
    assert "from-env" in read(text % "redis://:${PASS}@cache", "h", {"PASS": "from-env"}).checks[0].secrets
    assert f"{tmp_path / 'gone'} cannot be read: No such file" in refused(text % f"file:{tmp_path / 'gone'}")
    assert 'did you mean "REDIS_PASS"?' in refused(text % "${REDIS_PAS}", REDIS_PASS="x")
    assert "is no reference" in refused(text % "${a b}")
    told = repr(read(text % "redis://:${PASS}@cache", "h", {"PASS": "from-env"}))
    assert "from-env" not in told


def test_a_file_that_changes_is_taken_and_one_that_is_wrong_is_not(tmp_path: Path) -> None:
    file = tmp_path / "health.yml"
    watched = Watched(file, dict)
    assert not watched.exists and watched.changed() is None
    file.write_text("checks: {a: {check: workbench}}")
    first = watched.changed()
    assert first is not None and [p.name for p in first.checks] == ["a"]
    assert watched.changed() is None
    file.write_text("checks: {a: {check: workbnch}}")
    assert watched.changed() is None and "did you mean" in (watched.problem or "")
    file.write_text("checks: {b: {check: workbench}}  ")
    second = watched.changed()
    assert second is not None and [p.name for p in second.checks] == ["b"] and watched.problem is None


def test_every_series_of_a_check_is_named_and_every_measure_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "health.md").read_text()
    for kind in KINDS.values():
        assert f"### `{kind.name}`" in manual
        for name, measure in kind.measures.items():
            assert measure.series is None or measure.series in PROBE_SERIES
            assert f"`{name}`" in manual, name
        for name in kind.keys:
            assert f"`{name}`" in manual, name
