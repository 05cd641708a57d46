"""config/analytics_engine.yml: the shipped mapping is the Worker's, mistakes are shown where they stand."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from pitchey_slo.collect.analytics_engine import PullConfig, load, read, schema
from pitchey_slo.collect.analytics_engine.config import said, seconds_of
from pitchey_slo.errors import ConfigError
from tests.collect.analytics_engine.conftest import SHIPPED

SCHEMA = SHIPPED.parent / "schema" / "analytics_engine.schema.json"


def test_the_shipped_file_is_the_mapping_that_the_worker_writes_by() -> None:
    config = load(SHIPPED)
    requests, events = config.tables
    assert (config.dataset, config.source, requests.when) == ("pitchey_metrics", "worker", "blob1 = 'request'")
    blobs = ["route", "method", "location", "user_hash", "trace_id", "event_id", "cache_status"]
    assert requests.columns == {
        **{name: f"blob{n}" for n, name in enumerate(blobs, 2)},
        **{name: f"double{n}" for n, name in enumerate(["status", "duration_ms", "bytes"], 1)},
    }
    blobs = ["event", "currency", "location", "user_hash", "trace_id", "event_id", "properties"]
    assert events.when == "blob1 = 'business'"
    assert events.columns == {**{name: f"blob{n}" for n, name in enumerate(blobs, 2)}, "value": "double1"}
    assert (config.first, config.every, config.lag, config.overlap, config.window) == (604_800, 60, 120, 600, 900)


def test_the_environment_wins_over_the_files_dataset() -> None:
    assert load(SHIPPED, "other_metrics").dataset == "other_metrics"
    with pytest.raises(ConfigError, match="ANALYTICS_ENGINE: 'a; DROP' cannot be a dataset"):
        load(SHIPPED, "a; DROP")


MINIMAL = "requests:\n  when: \"blob1 = 'r'\"\n  columns: {route: blob2, status: double1}\n"


def test_what_is_left_out_has_a_default() -> None:
    config = read(MINIMAL)
    assert (config.dataset, config.window, len(config.tables)) == (PullConfig().dataset, 900, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1:1: empty"),
        ("requests: [", ":1:12: not YAML"),
        ("lag: 2m", "nothing is pulled (one of requests, business_events is wanted)"),
        (MINIMAL + "lags: 2m", "unknown key 'lags' (did you mean \"lag\"?)"),
        (MINIMAL + "lag: soon", "'soon' is no duration (such as 90s"),
        (MINIMAL + "lag: 5s", "5s is outside of what works (30s to 1h: the last minutes"),
        (MINIMAL + "first: 365d", "365d is outside of what works (1m to 90d"),
        (MINIMAL + "dataset: 'x y'", "'x y' cannot be a dataset here"),
        (MINIMAL + "source: ''", "a source has a name"),
        ("request: {}", "unknown key 'request' (did you mean \"requests\"?)"),
        (MINIMAL.replace("route:", "rout:"), "unknown key 'rout' (did you mean \"route\"?)"),
        (MINIMAL.replace("route: blob2, ", ""), "route is missing"),
        (MINIMAL.replace("blob2", "blobb2"), "a dataset has no column 'blobb2' (did you mean \"blob2\"?)"),
        (MINIMAL.replace("blob2", "double3"), "route is a text, which is index1 or a blob"),
        (MINIMAL.replace("double1", "blob3"), "status is a number, which is a double"),
        (MINIMAL.replace("status:", "ts: blob3, status:"), "unknown key 'ts'"),
        (MINIMAL.replace("blob1 = 'r'", "blob1 = 'r' OR 1=1"), ":2:25: requests.when: '1' where a column belongs"),
        (MINIMAL.replace("blob1 = 'r'", ""), ":2:9: requests.when: the end where a column belongs"),
        ("requests:\n  columns: {route: blob2, status: double1}", "when is missing"),
        ("requests: [a]", "a list where a map"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert says in caught.value.message
    assert caught.value.message.startswith("analytics_engine.yml:") or "2 problems" in caught.value.message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL.replace("blob2", "blub2").replace("= 'r'", "~ 'r'") + "lag: x\nwindow: 1s")
    assert [problem["key"] for problem in caught.value.detail] == [
        "requests.when",
        "requests.columns.route",
        "lag",
        "window",
    ]


def test_the_schema_file_is_what_the_reader_knows() -> None:
    told = json.loads(SCHEMA.read_text())
    assert told == schema()
    shipped = YAML(typ="safe").load(SHIPPED.read_text())
    jsonschema.validate(shipped, told)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**shipped, "requests": {"when": "x", "columns": {"route": "blob2"}}}, told)


@pytest.mark.parametrize("seconds", [30, 90, 600, 3_600, 86_400, 604_800])
def test_durations_read_what_they_write(seconds: int) -> None:
    assert seconds_of(said(seconds)) == seconds


def test_a_file_that_is_not_there_is_not_empty(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "analytics_engine.yml")
