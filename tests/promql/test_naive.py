"""The engine agrees with a slow, obvious evaluator on random series, steps and expressions."""

from __future__ import annotations

import math
import os
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import STALE, MemoryScan, evaluate, parse, windows
from pitchey_slo.promql.labels import Labels, get, make

from . import naive

T0 = 1_700_000_000_000
STEPS = [10_000, 15_000, 60_001, 300_000]
ODD = [np.nan, np.inf, -np.inf, STALE, 0.1, 1e9 + 0.3, 0.0]


def times(random: np.random.Generator) -> np.ndarray:
    """Some minutes: regular or jittered, with gaps, or none at all."""
    count = int(random.choice([0, 1, 2, 30, 60]))
    gap = int(random.choice([15_000, 30_000, 47_001]))
    kinds = {
        "regular": np.full(count, gap),
        "jittered": (gap * random.uniform(0.6, 1.4, count)).astype(np.int64),
        "gaps": random.choice([gap, gap, gap, gap * 9, 1], count),
    }
    return T0 + int(random.integers(0, 30_000)) + np.cumsum(kinds[str(random.choice(list(kinds)))])


def samples(random: np.random.Generator, at: np.ndarray, counter: bool) -> naive.Samples:
    """Values with resets, long runs of one value, and odd values."""
    count = len(at)
    values = random.choice([0.0, 1.0, 1.0, 7.0, 0.25], count)
    if counter:
        values = np.cumsum(values) + random.choice([0.0, 3.0, 1e9 + 0.3, 1e15])
        for reset in random.integers(0, max(count, 1), int(random.choice([0, 1, 5]))) if count else ():
            values[reset:] -= values[reset]
    elif random.random() < 0.6:
        values = np.where(random.random(count) < 0.5, values, random.normal(0, 10.0 ** random.integers(-3, 6), count))
    if random.random() < (0.1 if counter else 0.4):
        values = np.where(random.random(count) < 0.1, random.choice(ODD, count), values)
    return list(zip(at.tolist(), values.tolist(), strict=True))


def made(seed: int) -> dict[Labels, naive.Samples]:
    """Twelve series of three metrics; in half of the cases all have the same timestamps."""
    random = np.random.default_rng(seed)
    common = times(random) if random.random() < 0.5 else None
    found: dict[Labels, naive.Samples] = {}

    def add(counter: bool, **labels: str) -> None:
        found[make(labels)] = samples(random, times(random) if common is None else common, counter)

    for job in ("a", "b"):
        for instance in "12":
            add(True, __name__="c_total", job=job, instance=instance)
        add(False, __name__="g", job=job)
        for le in ("0.1", "1", "+Inf"):
            add(True, __name__="h_bucket", job=job, le=le)
    return found


RANGES = ["[30s]", "[5m]", "[17m]", "[5m] offset 40s", "[10m] @ 1700000600", "[5m] offset -1m"]
COUNTER_FUNCTIONS = ["rate", "increase", "irate", "resets"]
OVER_TIME = ["sum", "avg", "min", "max", "count", "stddev", "stdvar", "last", "present"]
GAUGE_FUNCTIONS = [f"{name}_over_time" for name in OVER_TIME] + ["delta", "idelta", "changes", "deriv", "resets"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
HISTOGRAMS = ["h_bucket", "rate(h_bucket[5m])", "sum by (le) (increase(h_bucket[9m]))"]


def filled(template: str, *choices: list[str]) -> st.SearchStrategy[str]:
    return st.builds(template.format, *(st.sampled_from(choice) for choice in choices))


TEXTS = [
    filled("{}(c_total{})", COUNTER_FUNCTIONS, RANGES),
    filled("{}(g{})", GAUGE_FUNCTIONS, RANGES),
    filled("quantile_over_time({}, g{})", ["0", "0.3", "0.99", "1", "scalar(g)"], RANGES),
    filled("predict_linear(g{}, 60)", RANGES),
    filled("{} by (job) ({}(c_total{}))", AGGREGATIONS, COUNTER_FUNCTIONS, RANGES),
    filled("{} without (instance) (c_total)", AGGREGATIONS),
    filled("{}({}, c_total)", ["topk", "bottomk", "quantile"], ["1", "0.5", "2"]),
    filled("g {} g", ["+", "/", "%", "> bool", "<", "=="]),
    filled("c_total {} on (job) group_left g", ["*", ">", "<= bool"]),
    filled("c_total {} on (job) g", ["and", "unless", "or", "+"]),
    filled("{} - scalar(g{{job='a'}})", ["g", "c_total offset 1m"]),
    filled("histogram_quantile({}, {})", ["0.5", "0.9", "2", "0"], HISTOGRAMS),
    filled(
        "{}_over_time({}{})",
        ["max", "sum", "count"],
        ["g", "rate(c_total[2m])", "sum(g)"],
        ["[7m:30s]", "[10m:] offset 30s"],
    ),
    st.sampled_from(["timestamp(g)", "-g", "absent(g)", "minute(c_total)", "g @ end()", "sgn(g @ start())", "time()"]),
]


def close(a: float, b: float, scale: float) -> bool:
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= 1e-9 * max(abs(a), abs(b)) + 1e-12 * scale


@pytest.mark.parametrize("texts", TEXTS, ids=range(len(TEXTS)))
@settings(max_examples=int(os.environ.get("EXAMPLES", "50")), deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), start=st.integers(-2, 15), step=st.sampled_from(STEPS),
       part=st.sampled_from([1, 8, 1 << 15]))  # fmt: skip
def test_engine_agrees_with_the_obvious_evaluator(
    texts: st.SearchStrategy[str], data: st.DataObject, seed: int, start: int, step: int, part: int
) -> None:
    """Also when the work is cut into parts of one series or a few steps."""
    text, series, scan = data.draw(texts), made(seed), MemoryScan()
    for labels, values in series.items():
        scan.add(labels, [t for t, _ in values], np.array([v for _, v in values]))
    begin = T0 + start * 60_000
    end = begin + 9 * step
    slow = naive.Naive(series, begin, end)
    wanted: dict[int, dict[Labels, float]] = {}
    refused = False
    for t in range(begin, end + 1, step):
        try:
            value = slow.value(parse(text), t)
        except naive.Refused:
            refused = True
            break
        wanted[t] = value if isinstance(value, dict) else {(): value}
    with patch.object(windows, "PART", part):
        try:
            result = evaluate(text, scan, begin, end, step)
        except QueryError as error:
            assert refused, error.message
            return
    assert not refused
    found: dict[int, dict[Labels, float]] = {t: {} for t in wanted}
    for labels, times, values in result.series():
        for t, v in zip(times.tolist(), values.tolist(), strict=True):
            found[t][make(labels)] = v
    used = [line for labels, line in series.items() if get(labels, "__name__") in text]
    sizes = [abs(v) for line in used for _, v in line if math.isfinite(v)]
    squared = "stdvar" in text or "predict" in text
    scale = max(sizes, default=0.0) ** (2 if squared else 1)
    for t, points in wanted.items():
        assert found[t].keys() == points.keys(), (text, t)
        for labels, v in points.items():
            assert close(found[t][labels], v, scale), (text, t, labels, found[t][labels], v)
