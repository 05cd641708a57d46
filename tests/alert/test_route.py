"""The route tree: Alertmanager's documented examples, and any tree against a slow second way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.matchers import Matcher
from pitchey_slo.alert.route import Route

from .routes_made import SIMPLE, TREE
from .test_config import load


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({}, ["default-receiver"]),
        ({"service": "mysql"}, ["database-pager"]),
        ({"service": "mysqld"}, ["default-receiver"]),
        ({"service": "cassandra", "team": "frontend"}, ["database-pager"]),
        ({"team": "frontend"}, ["frontend-pager"]),
        ({"service": "inhouse-service"}, ["dev-pager", "on-call-pager"]),
    ],
)
def test_the_documented_tree(labels: dict[str, str], receivers: list[str], tmp_path: Path) -> None:
    assert [r.receiver for r in load(TREE, tmp_path).route.match(labels)] == receivers


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"service": "foo1"}, ["team-X-mails"]),
        ({"service": "foo1", "severity": "critical"}, ["team-X-pager"]),
        ({"service": "database"}, ["team-DB-pager"]),
        ({"service": "database", "owner": "team-X"}, ["team-X-pager"]),
        ({"service": "database", "owner": "team-Y"}, ["team-Y-pager"]),
    ],
)
def test_the_simple_example(labels: dict[str, str], receivers: list[str], tmp_path: Path) -> None:
    assert [r.receiver for r in load(SIMPLE, tmp_path).route.match(labels)] == receivers


def test_group_keys_are_alertmanagers(tmp_path: Path) -> None:
    tree = load(SIMPLE, tmp_path).route
    labels = {"alertname": "Down", "service": "database", "owner": "team-X", "cluster": 'a"b', "x": "y"}
    (route,) = tree.match(labels)
    assert route.group_key(labels) == ('{}/{service="database"}/{owner="team-X"}:{alertname="Down", cluster="a\\"b"}')
    everything = replace(tree, group_all=True)
    assert everything.group_labels(labels) == labels


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
MATCHER = st.builds(Matcher, st.sampled_from("abc"), st.sampled_from(["=", "!="]), st.sampled_from("xyz"))
LEAF = st.builds(Route, st.text("rst", min_size=1, max_size=2), matchers=st.tuples(MATCHER), continues=st.booleans())
TREES = st.recursive(
    LEAF,
    lambda inner: st.builds(
        Route,
        st.text("uvw", min_size=1, max_size=2),
        matchers=st.lists(MATCHER, max_size=2).map(tuple),
        continues=st.booleans(),
        routes=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


def slow(route: Route, labels: dict[str, str]) -> list[Route]:
    """The documentation's sentences one by one, over an explicit list of what each child gives."""
    for m in route.matchers:
        if (labels.get(m.name, "") == m.value) != (m.op == "="):
            return []
    found: list[list[Route]] = []
    stopped = False
    for child in route.routes:
        inside = [] if stopped else slow(child, labels)
        stopped = stopped or (inside != [] and not child.continues)
        found.append(inside)
    flat = [r for inside in found for r in inside]
    return flat if flat else [route]


@given(TREES, LABELS)
@settings(max_examples=300)
def test_any_tree_matches_as_the_slow_way(tree: Route, labels: dict[str, str]) -> None:
    assert list(tree.match(labels)) == slow(tree, labels)
