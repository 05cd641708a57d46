"""The rules people really write: all 954 of a public collection parse, and evaluate on empty and on made series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pitchey_slo.errors import QueryError
from pitchey_slo.promql import MemoryScan, SeriesBlock, evaluate, instant, parse, tree
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.scan import block_of
from pitchey_slo.promql.tree import Matcher


@pytest.fixture(scope="module")
def rules() -> list[str]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "rules" / "awesome"
    if not folder.exists():
        pytest.skip("the conformance data do not lie beside this checkout")
    texts = []
    for path in sorted(folder.rglob("*.yml")):
        for group in YAML(typ="safe").load(path.read_text()).get("groups", []):
            texts += [rule["expr"] for rule in group.get("rules") or []]
    return texts


class Made:
    """Answers every selector with four series that fulfil it and differ in the labels that the rule matches by."""

    def __init__(self, text: str) -> None:
        self.asked = 0
        root = list(nodes(parse(text)))
        grouped = {name for n in root if isinstance(n, tree.Aggregate) and n.keep for name in n.names}
        matched = {name for n in root if isinstance(n, tree.Binary) and n.matching.on for name in n.matching.names}
        self.names = {"instance", *grouped, *matched} - {"__name__", "le"}

    def select(self, matchers: list[Matcher], start_ms: int, end_ms: int, *, needs=None) -> SeriesBlock:
        self.asked += 1
        fixed = {m.name: m.value for m in matchers if m.op == "=" and m.value}
        name = fixed.pop("__name__", "made_total")
        ts = np.arange(-(-start_ms // 30_000) * 30_000, end_ms, 30_000, dtype=np.int64)
        series = {}
        for i in range(4):
            labels = {"le": ("0.1", "1", "10", "+Inf")[i], **dict.fromkeys(self.names, f"v{i}")}
            key = lb.make({**labels, **fixed, "__name__": name})
            series[key] = (key, ts, (ts // 30_000 - 56_000_000) * (i + 1.0))
        return block_of(series.values())


def nodes(node: tree.Node) -> Iterator[tree.Node]:
    yield node
    for child in tree.children(node):
        yield from nodes(child)


def test_all_rules_are_there(rules: list[str]) -> None:
    assert len(rules) == 954


def test_every_rule_evaluates_on_nothing(rules: list[str]) -> None:
    empty = MemoryScan()
    for text in rules:
        found = instant(text, empty, 1_700_000_000_000)
        always = any(isinstance(n, tree.Call) and n.name in ("absent", "absent_over_time", "vector", "time")
                     for n in nodes(parse(text)))  # fmt: skip
        assert len(found) == 0 or always, text


def test_every_rule_evaluates_on_made_series(rules: list[str]) -> None:
    """At steps, the last of which is the instant query's answer."""
    end, some, refused = 1_700_000_000_000, 0, []
    for text in rules:
        made = Made(text)
        try:
            alone = instant(text, made, end)
        except QueryError as error:
            refused.append((text, error.detail["problem"]))
            continue
        assert made.asked or text == "vector(1)"
        steps = evaluate(text, Made(text), end - 120_000, end, 60_000)
        last = {labels: v[-1] for labels, v, p in zip(steps.labels, steps.values, steps.present, strict=True) if p[-1]}
        assert last.keys() == set(alone.labels), text
        for labels, values in zip(alone.labels, alone.values, strict=True):
            assert np.isclose(last[labels], values[0], rtol=1e-9, equal_nan=True), text
        some += bool(len(alone))
    assert some > len(rules) / 2
    # Made series cannot suit every rule: where they differ only in a label the rule ignores, Prometheus refuses, too.
    assert [text for text, problem in refused if "match" not in problem] == []
    assert len(refused) <= 10, refused
