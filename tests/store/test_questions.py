"""The fixed questions against a slow, obvious computation on the raw rows."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import QueryError
from pitchey_slo.store import LakeReader
from pitchey_slo.store.questions import latency_quantiles, marks, quantile_name, routes, volume
from pitchey_slo.testing import NOON, fresh_store, rows
from tests.depth import examples

END = NOON + timedelta(days=1)


def naive_quantile(values: list[tuple[float, float]], q: float) -> float | None:
    """Smallest value at or below which at least q of the weight lies."""
    total = sum(w for _, w in values)
    reached = 0.0
    for value, weight in sorted(values):
        reached += weight
        if reached >= q * total:
            return value
    return None


row = st.fixed_dictionaries(
    {
        "second": st.integers(0, 7_200),
        "route": st.sampled_from(["/a", "/b"]),
        "status": st.sampled_from([200, 404, 500, 503]),
        "duration_ms": st.one_of(st.none(), st.integers(0, 50).map(float)),
        "sample_interval": st.sampled_from([1.0, 1.0, 2.0, 10.0]),
    }
)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row, min_size=1, max_size=40), st.booleans())
def test_quantiles_routes_and_volume_agree_with_a_loop(
    tmp_path_factory: pytest.TempPathFactory, data: list[dict[str, Any]], uniform: bool
) -> None:
    if uniform:
        data = [d | {"sample_interval": 1.0} for d in data]
    reader = filled(tmp_path_factory.mktemp("home"), data)
    assert reader.uniform_weights("requests", NOON, END) == all(d["sample_interval"] == 1 for d in data)

    by_route: dict[str, list[dict[str, Any]]] = defaultdict(list)
    by_hour: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for d in data:
        by_route[d["route"]].append(d)
        by_hour[d["second"] // 3_600].append(d)

    quantiles = (0.0, 0.5, 0.95, 1.0)
    for found in latency_quantiles(reader, NOON, END, quantiles, by="route").to_pylist():
        group = by_route[found["route"]]
        measured = [(d["duration_ms"], d["sample_interval"]) for d in group if d["duration_ms"] is not None]
        assert [found[quantile_name(q)] for q in quantiles] == [naive_quantile(measured, q) for q in quantiles]
        assert found["requests"] == sum(d["sample_interval"] for d in group)
        assert found["measured"] == sum(w for _, w in measured)

    for found in routes(reader, NOON, END).to_pylist():
        group = by_route[found["route"]]
        assert found["errors"] == sum(d["sample_interval"] for d in group if d["status"] >= 500)
        assert found["client_errors"] == sum(d["sample_interval"] for d in group if d["status"] == 404)
        assert math.isclose(found["error_ratio"], found["errors"] / found["requests"])

    table = volume(reader, NOON, END, 3_600).to_pylist()
    assert [(int((v["time"] - NOON).total_seconds()) // 3_600, v["requests"], v["errors"]) for v in table] == [
        (h, sum(d["sample_interval"] for d in g), sum(d["sample_interval"] for d in g if d["status"] >= 500))
        for h, g in sorted(by_hour.items())
    ]


def filled(home: Path, data: list[dict[str, Any]]) -> LakeReader:
    with fresh_store(home) as store:
        columns = {name: [d[name] for d in data] for name in ("route", "status", "duration_ms", "sample_interval")}
        columns["ts"] = [NOON + timedelta(seconds=d["second"]) for d in data]
        store.append("requests", rows(count=len(data), **columns))
    return LakeReader(str(home / "lake"))


def test_marks_are_those_that_touch_the_span(tmp_path: Path) -> None:
    hours = [(0, 1), (2, None), (5, 6)]
    with fresh_store(tmp_path) as store:
        store.append(
            "incidents",
            rows(
                "incidents",
                3,
                started_at=[NOON + timedelta(hours=a) for a, _ in hours],
                ended_at=[NOON + timedelta(hours=b) if b else None for _, b in hours],
            ),
        )
        store.append("deployments", rows("deployments", 2, step=3_600))
    reader = LakeReader(str(tmp_path / "lake"))
    incidents, deployments = marks(reader, NOON + timedelta(minutes=30), NOON + timedelta(hours=4))
    assert incidents["id"].to_pylist() == ["inc-0", "inc-1"]
    assert deployments["id"].to_pylist() == ["dep-1"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"by": "rout"}, 'did you mean "route"'),
        ({"where": "stauts = 1"}, 'did you mean "status"'),
        ({"seconds": 0}, "positive"),
    ],
)
def test_a_wrong_question_says_what_would_work(tmp_path: Path, arguments: dict[str, Any], says: str) -> None:
    reader = LakeReader(str(tmp_path / "lake"))
    with pytest.raises(QueryError, match=says):
        latency_quantiles(reader, NOON, END, [0.5], **arguments)
    with pytest.raises(QueryError, match="between 0 and 1"):
        latency_quantiles(reader, NOON, END, [95])
