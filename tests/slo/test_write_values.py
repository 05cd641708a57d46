"""SLO values become files that read back equal; what was read is exported with its references."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import ConfigError, SloError
from pitchey_slo.settings import shipped
from pitchey_slo.slo import load, read
from pitchey_slo.slo.model import (
    AlertCondition,
    AlertPolicy,
    BurnPair,
    Correction,
    Duration,
    Indicator,
    MetricSource,
    NotificationTarget,
    Objective,
    Ratio,
    Raw,
    Slo,
    Threshold,
    TimeWindow,
)
from pitchey_slo.slo.spec import emit
from pitchey_slo.slo.spec.openslo import parse
from pitchey_slo.slo.spec.write import export_openslo, to_openslo
from tests.depth import examples

from .test_openslo_extras import ALL, POLICIES, annotated

TEXT = (
    st.text(alphabet="abc :#-'\"\\{}[],&*!|>%@`~0\n\té€\x07\u2028😀", min_size=1, max_size=16)
    .map(str.strip)
    .filter(bool)
)
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
KEYS = st.from_regex(r"(example\.com/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,6}[A-Za-z0-9])?", fullmatch=True)
FIXED = st.builds(Duration, st.integers(1, 99), st.sampled_from("mhdw"))
LENGTHS = st.builds(Duration, st.integers(1, 9), st.sampled_from("mhdwMQY"))
ZONES = st.sampled_from(["UTC", "Europe/London", "America/New_York"])
WALL = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(lambda t: t.replace(microsecond=0))
LABELS = st.dictionaries(
    KEYS.filter(lambda k: "/" not in k), st.lists(TEXT, min_size=1, max_size=2).map(tuple), max_size=2
)
NOTES = st.dictionaries(KEYS, TEXT, max_size=2)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
EVENTS = st.fixed_dictionaries({"table": st.just("requests")}, optional={"filter": TEXT})
PROMQL = st.just({"query": "sum(rate(a[{{.window}}]))"})
ANYTHING = st.dictionaries(KEYS, st.one_of(TEXT, NUMBERS, st.booleans()), min_size=1, max_size=2)
SOURCES = st.one_of(
    st.builds(MetricSource, st.just("pitchey"), st.none(), EVENTS),
    st.builds(MetricSource, st.just("prometheus"), st.none(), PROMQL),
    st.builds(MetricSource, st.just("Other"), st.one_of(st.none(), NAMES), ANYTHING),
)
METRICS = st.one_of(
    st.builds(Ratio, SOURCES, st.none(), SOURCES, st.booleans()),
    st.builds(Ratio, st.none(), SOURCES, SOURCES, st.booleans()),
    st.builds(Raw, SOURCES, st.sampled_from(["success", "failure"])),
)
INDICATORS = st.builds(Indicator, NAMES, METRICS, TEXT, TEXT, LABELS, NOTES)
THRESHOLDS = st.builds(
    Indicator,
    NAMES,
    st.builds(
        Threshold,
        st.builds(MetricSource, st.just("pitchey"), st.none(), st.just({"table": "requests", "value": "duration_ms"})),
    ),
)
TARGETS = st.floats(0, 1, exclude_max=True)
REST = (TEXT, TEXT, LABELS, NOTES)
AFTER = st.one_of(st.none(), FIXED)
CONDITIONS = st.builds(AlertCondition, NAMES, TEXT, st.sampled_from(["lte", "gt"]), NUMBERS, LENGTHS, AFTER, *REST)
RECEIVERS = st.lists(st.builds(NotificationTarget, NAMES, TEXT, *REST), min_size=1, max_size=2).map(tuple)
FLAGS = (st.booleans(), st.booleans(), st.booleans())
POLICY = st.builds(AlertPolicy, NAMES, st.tuples(CONDITIONS), RECEIVERS, *FLAGS, *REST)
PAIRS = st.builds(
    lambda short, times, factor, severity, hold: BurnPair(
        Duration(short.count * times, short.unit), short, factor, severity, hold
    ),
    FIXED,
    st.integers(2, 20),
    st.floats(1e-9, 1e6),
    st.sampled_from(["page", "ticket"]),
    st.one_of(st.none(), FIXED),
)


@st.composite
def slos(draw: st.DrawFn) -> Slo:
    name = draw(NAMES)
    method = draw(st.sampled_from(["Occurrences", "Timeslices", "RatioTimeslices"]))
    slices: dict[str, Any] = {}
    if method != "Occurrences":
        slices = {"slice_target": draw(st.floats(1e-6, 1)), "slice_window": draw(FIXED)}
    shape = draw(st.sampled_from(["ratio", "threshold", "composite"]))
    one = st.builds(lambda target, title: Objective(target, title, **slices), TARGETS, st.one_of(st.just(""), TEXT))
    objectives = draw(st.lists(one, min_size=1, max_size=3))
    whole: Indicator | None = None
    if shape == "ratio":
        whole = draw(INDICATORS)
    elif shape == "threshold":
        whole = draw(THRESHOLDS)
        objectives = [replace(objectives[0], op=draw(st.sampled_from(["lt", "gte"])), value=draw(NUMBERS))]
    else:
        weights = st.one_of(st.just(1.0), st.floats(1e-3, 1e3))
        objectives = [replace(o, indicator=draw(INDICATORS), weight=draw(weights)) for o in objectives]
    calendar = st.builds(TimeWindow, LENGTHS, ZONES, WALL)
    more = st.one_of(
        st.builds(TimeWindow, LENGTHS), st.builds(TimeWindow, LENGTHS, ZONES, st.just(datetime(2024, 1, 1)))
    )
    windows = [draw(st.one_of(st.builds(TimeWindow, LENGTHS), calendar)), *draw(st.lists(more, max_size=2))]
    corrections = [
        Correction(
            f"c{i}",
            draw(st.sampled_from(["deployment", "other"])),
            draw(TEXT),
            draw(TEXT),
            draw(WALL).replace(tzinfo=UTC),
            60.0 * draw(st.integers(1, 9999)),
            (name,),
            draw(st.sampled_from([None, "FREQ=DAILY", "FREQ=YEARLY;COUNT=3"])),
            "UTC",
            "spec",
        )
        for i in range(draw(st.integers(0, 2)))
    ]
    return Slo(
        name,
        draw(TEXT),
        whole,
        method,
        tuple(objectives),
        tuple(dict.fromkeys(windows)),
        draw(st.one_of(st.just(name), TEXT)),
        draw(st.one_of(st.just(""), TEXT)),
        draw(LABELS),
        draw(NOTES),
        tuple(draw(st.lists(POLICY, max_size=2))),
        burn_pairs=draw(st.one_of(st.none(), st.just(()), st.lists(PAIRS, min_size=1, max_size=2).map(tuple))),
        minimum_bad=draw(st.one_of(st.just(0.0), st.floats(0, 1e9))),
        corrections=tuple(corrections),
        late_data=draw(st.sampled_from(["ignore", "good", "bad"])),
        late_after=draw(FIXED),
    )


@settings(max_examples=30)
@given(slos())
def test_any_slo_reads_back_equal(slo: Slo) -> None:
    assert parse(to_openslo(slo)).slos == (slo,)


def test_everything_that_annotations_and_policies_say_survives() -> None:
    for text in (annotated(ALL), POLICIES):
        (slo,) = parse(text).slos
        assert parse(to_openslo(slo)).slos == (slo,)


def test_what_openslo_has_no_words_for_is_refused() -> None:
    (slo,) = parse(annotated(ALL)).slos
    anchored = TimeWindow(Duration(1, "M"), "UTC", datetime(2024, 1, 15))
    assert parse(to_openslo(replace(slo, windows=(anchored,)))).slos[0].windows == (anchored,)
    with pytest.raises(SloError, match="only its first window may count from 2024-01-15"):
        to_openslo(replace(slo, windows=(slo.windows[0], anchored)))
    for wrong, says in (
        (replace(slo.corrections[0], slos=("y",)), "is for other SLOs: y"),
        (replace(slo.corrections[0], seconds=90.0), "lasts 90 seconds"),
    ):
        with pytest.raises(SloError, match=says):
            to_openslo(replace(slo, corrections=(wrong,)))
    with pytest.raises(SloError, match="cannot be written: nan"):
        to_openslo(replace(slo, objectives=(replace(slo.objectives[0], value=float("nan")),)))
    with pytest.raises(SloError, match="it has no window"):
        to_openslo(replace(slo, windows=()))


def test_the_export_keeps_references_and_reads_back_equal(conformance: Path, tmp_path: Path) -> None:
    places: list[Path] = [shipped("config") / "slos"]
    places += (conformance / "openslo" / "spec" / "examples").rglob("*.yaml")
    places += (conformance / "sloth" / "examples").glob("openslo-*.yml")
    (tmp_path / "a.yaml").write_text(POLICIES)
    places.append(tmp_path / "a.yaml")
    for place in places:
        specs = read(place)
        text = export_openslo(specs)
        assert parse(text) == specs, place
    shipped_text = export_openslo(read(shipped("config") / "slos"))
    assert shipped_text.count("indicatorRef: api-duration") == 2
    policies = export_openslo(parse(POLICIES))
    for ref in ("alertPolicyRef: policy", "conditionRef: fast", "targetRef: OnCallMail"):
        assert ref in policies
    # an SLO of its own has what it refers to written out
    (slo,) = [s for s in load(shipped("config") / "slos") if s.name == "api-latency"]
    assert "indicatorRef" not in to_openslo(slo) and "duration_ms" in to_openslo(slo)
    assert export_openslo(parse("")) == ""


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), NUMBERS, st.text(max_size=12), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=examples(60))
@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=3))
def test_both_styles_mean_the_same_to_every_reader(value: dict[str, Any]) -> None:
    from ruamel.yaml import YAML

    texts = ["\n".join(emit.block(value, 0)), emit.flow(value)]
    for text in texts:
        assert YAML(typ="safe").load(text) == value
        assert yaml.safe_load(text) == value  # YAML 1.1: `no`, `1e5` and 1:30 are not what they look like


def test_what_yaml_has_no_word_for() -> None:
    for value in (float("inf"), float("nan"), "\ud800", object(), b"x"):
        for style in (emit.flow, emit.scalar):
            with pytest.raises(ValueError):
                style(value)


def test_an_export_that_is_edited_wrongly_is_told() -> None:
    with pytest.raises(ConfigError, match="outside"):
        parse(to_openslo(parse(annotated(ALL)).slos[0]).replace("target: 0.9", "target: 9.0"))
