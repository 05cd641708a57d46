"""Inhibition: equal labels, both sides, and the slow way over all pairs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.inhibit import Inhibitor, InhibitRule
from pitchey_slo.alert.matchers import parse
from pitchey_slo.alert.model import Alert
from pitchey_slo.testing import NOON


def alert(state: str = "firing", **labels: str) -> Alert:
    return Alert(labels=labels, state=state, active_at=NOON, updated_at=NOON)  # type: ignore[arg-type]


RULE = InhibitRule(parse("severity=critical"), parse("severity=warning"), ("alertname", "cluster"))


def test_a_source_inhibits_where_the_equal_labels_agree() -> None:
    source = alert(severity="critical", alertname="Down", cluster="a")
    inhibitor = Inhibitor([RULE], [source])
    found = inhibitor.inhibited({"severity": "warning", "alertname": "Down", "cluster": "a"})
    assert found == (RULE, source)
    assert inhibitor.inhibited({"severity": "warning", "alertname": "Down", "cluster": "b"}) is None
    assert inhibitor.inhibited({"severity": "info", "alertname": "Down", "cluster": "a"}) is None
    assert inhibitor.inhibited(source.labels) is None


def test_a_resolved_source_inhibits_nothing() -> None:
    source = alert("resolved", severity="critical", alertname="Down", cluster="a")
    assert Inhibitor([RULE], [source]).inhibited({"severity": "warning", "alertname": "Down", "cluster": "a"}) is None


def test_a_label_that_both_lack_is_equal() -> None:
    source = alert(severity="critical", alertname="Down", cluster="")
    assert Inhibitor([RULE], [source]).inhibited({"severity": "warning", "alertname": "Down"}) is not None


def test_an_alert_on_both_sides_is_not_inhibited_by_another_on_both_sides() -> None:
    rule = InhibitRule(parse("a=~1|2"), parse("a=~2|3"), ())
    both, other, source = alert(a="2"), alert(a="2", n="x"), alert(a="1")
    assert Inhibitor([rule], [both]).inhibited(both.labels) is None
    assert Inhibitor([rule], [both, other]).inhibited(other.labels) is None
    assert Inhibitor([rule], [both, source]).inhibited(both.labels) is not None
    assert Inhibitor([rule], [both]).inhibited({"a": "3"}) is not None


VALUES = st.sampled_from(["", "1", "2", "3"])
LABELS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
MATCHERS = st.sampled_from(["a=1", "a=~1|2", "b!=2", "a=2, b=1", "c=~.*"]).map(parse)
RULES = st.builds(InhibitRule, MATCHERS, MATCHERS, st.sampled_from([(), ("a",), ("b", "c")]))


@given(st.lists(RULES, max_size=3), st.lists(LABELS, max_size=6), LABELS)
@settings(max_examples=300)
def test_any_rules_agree_with_the_slow_way(
    rules: list[InhibitRule], sources: list[dict[str, str]], target: dict[str, str]
) -> None:
    def slow() -> bool:
        for rule in rules:
            if not all(m.matches(target) for m in rule.target):
                continue
            both = all(m.matches(target) for m in rule.source)
            for source in sources:
                if not all(m.matches(source) for m in rule.source):
                    continue
                if both and all(m.matches(source) for m in rule.target):
                    continue
                if all(source.get(n, "") == target.get(n, "") for n in rule.equal):
                    return True
        return False

    assert (Inhibitor(rules, [alert(**s) for s in sources]).inhibited(target) is not None) == slow()
