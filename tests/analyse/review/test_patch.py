"""Changing one number of a rule file: nothing else moves, and what cannot be done alone is refused."""

from __future__ import annotations

import random

import pytest

from pitchey_slo.alert.rules import parse_rules
from pitchey_slo.analyse.review import numbers, patch
from pitchey_slo.errors import ConfigError, NotFound
from pitchey_slo.promql import parse
from pitchey_slo.settings import shipped

FILE = shipped("config") / "rules" / "alert_rules.yml"
TEXT = """\
# the alerts
groups:
  - name: a   # first
    rules:
      - alert: Ratio
        expr: |
          # more than 5 in 100
          sum(rate(bad{limit="0.05"}[5m]))
            / sum(rate(all[5m]))
            > 0.05   # five
        for: '2m'
        annotations: {summary: 'over 5 % of 0.05'}

      # the next one
      - alert: Burn
        expr: a > 14.4 * (1 - 0.999) and b > 14.4 * (1 - 0.999)
        labels: {severity: page}
      - {alert: Down, expr: "up == 0"}
      - alert: Last
        expr: >-
          1.50 <
          x
"""


def at(text: str, name: str) -> patch.Place:
    rule = next(r for g in parse_rules(text, file="f.yml") for r in g.rules if r.name == name)
    return patch.place(text, rule.key, file="f.yml", short="f.yml")


def test_a_threshold_and_a_for_change_where_they_stand() -> None:
    done = patch.changed(TEXT, at(TEXT, "Ratio"), threshold=(0.05, 0.02), hold="5m")
    wanted = TEXT.replace("> 0.05   # five", "> 0.02   # five").replace("for: '2m'", "for: '5m'")
    assert done == wanted
    assert patch.diff(TEXT, done, "f.yml").count("\n-") == 2


@pytest.mark.parametrize(
    ("name", "threshold", "hold", "old", "new"),
    [
        ("Burn", (14.4, 6), None, "14.4", "6"),
        ("Burn", None, "90s", "0.999)\n        labels", "0.999)\n        for: 90s\n        labels"),
        ("Down", (0, 1), None, '"up == 0"', '"up == 1"'),
        ("Down", None, "1m", '"up == 0"}', '"up == 0", for: 1m}'),
        ("Last", (1.5, -2.25), None, "1.50 <", "-2.25 <"),
        ("Last", None, "3m", "          x\n", "          x\n        for: 3m\n"),
    ],
)
def test_every_form_of_a_rule(
    name: str, threshold: tuple[float, float] | None, hold: str | None, old: str, new: str
) -> None:
    done = patch.changed(TEXT, at(TEXT, name), threshold=threshold, hold=hold)
    assert done == TEXT.replace(old, new)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_stay(newline: str, mark: str) -> None:
    text = mark + TEXT.replace("\n", newline)
    for name in ("Ratio", "Burn", "Down"):
        done = patch.changed(text, at(text.removeprefix(mark), name) if not mark else _marked(text, name), hold="7m")
        assert done.startswith(mark)
        assert done.count("\r\n") == (done.count("\n") if newline == "\r\n" else 0)
        assert done.replace("'7m'", "'2m'").replace(f"        for: 7m{newline}", "").replace(", for: 7m", "") == text


def _marked(text: str, name: str) -> patch.Place:
    key = at(text.removeprefix("\ufeff"), name).rule.key
    return patch.place(text, key, file="f.yml", short="f.yml")


def test_what_is_exchanged_comes_back_and_other_edits_stay() -> None:
    place = at(TEXT, "Burn")
    before = place.of(TEXT)
    after = before.replace("14.4", "10")
    elsewhere = TEXT.replace("# the alerts", "# our alerts\n").replace("for: '2m'", "for: 9m")
    done = patch.exchanged(elsewhere, place.rule.key, before, after, file="f.yml", short="f.yml")
    assert done == elsewhere.replace("14.4", "10")
    assert patch.exchanged(done, place.rule.key, after, before, file="f.yml", short="f.yml") == elsewhere
    with pytest.raises(ConfigError, match=r"Burn is not what was decided about any more.*decide again"):
        patch.exchanged(TEXT.replace("14.4", "12"), place.rule.key, before, after, file="f.yml", short="f.yml")
    with pytest.raises(NotFound, match="no rule"):
        patch.exchanged(TEXT.replace("Burn", "Burnt"), place.rule.key, before, after, file="f.yml", short="f.yml")


@pytest.mark.parametrize(
    ("name", "threshold", "hold", "says"),
    [
        ("Ratio", (0.05, 0.05), "2m", "says that already"),
        ("Ratio", (0.06, 0.05), None, "it compares with 0.05"),
        ("Ratio", None, "5 min", "'5 min' is not a duration"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    name: str, threshold: tuple[float, float] | None, hold: str | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        patch.changed(TEXT, at(TEXT, name), threshold=threshold, hold=hold)


def test_text_that_rules_share_is_not_touched() -> None:
    text = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: &e up > 3\n  - alert: B\n    expr: *e\n    for: 1m\n"
    for name in ("A", "B"):
        with pytest.raises(ConfigError, match="by hand"):
            patch.changed(text, at(text, name), threshold=(3, 4))


def test_annotations_that_tell_the_old_number_are_named() -> None:
    place = at(TEXT, "Ratio")
    assert patch.spoken(place, 0.05) == ("summary",)
    assert patch.spoken(place, 0.5) == ()


@pytest.mark.parametrize("seed", range(3))
def test_the_shipped_file_changes_by_its_numbers_alone(seed: int) -> None:
    rng, text, short = random.Random(seed), FILE.read_text(), FILE.name
    for group in parse_rules(text, file=str(FILE)):
        for rule in group.rules:
            place = patch.place(text, rule.key, file=str(FILE), short=short)
            before = numbers.thresholds(rule.expr)
            old = rng.choice([each for each in before if before.count(each) == 1])
            new, hold = old + rng.randint(1, 99) / 7, rng.randint(1, 900)
            after = tuple(new if each == old else each for each in before)
            done = patch.changed(text, place, threshold=(old, new), hold=f"{hold}s")
            changed = [r for g in parse_rules(done, file=str(FILE)) for r in g.rules]
            same = [r for g in parse_rules(text, file=str(FILE)) for r in g.rules]
            for one, other in zip(changed, same, strict=True):
                if one.key == rule.key:
                    assert (numbers.thresholds(one.expr), one.for_seconds) == (after, hold)
                else:
                    assert (one.expr, one.for_seconds, one.annotations) == (
                        other.expr, other.for_seconds, other.annotations,
                    )  # fmt: skip
            assert _comments(done) == _comments(text)


def _comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith("#")]


@pytest.mark.parametrize(
    ("expr", "old", "new", "wanted"),
    [
        ('x{a="3"} offset 3s > 3', 3, 4, 'x{a="3"} offset 3s > 4'),
        ("rate(x[3m]) * 3 > 3", 3, 0.5, "rate(x[3m]) * 3 > 0.5"),
        ("a > 3 and on() b > 3", 3, 4, "a > 4 and on() b > 4"),
        ("a > 3 and on() b > 5", 5, 4, "a > 3 and on() b > 4"),
        ("x < -5", -5, -6, "x < -6"),
        ("x > 1e3", 1000, 2500, "x > 2500"),
        ("topk(3, x) > bool 3", 3, 7, "topk(3, x) > bool 7"),
    ],
)
def test_only_what_is_compared_with_is_the_threshold(expr: str, old: float, new: float, wanted: str) -> None:
    assert numbers.with_threshold(expr, old, new) == wanted
    parse(wanted)


@pytest.mark.parametrize(("expr", "old"), [("x > 5m", 300), ("(x > 3) * 3", 3), ("absent(x)", 1), ("x < -5", 5)])
def test_no_number_is_guessed(expr: str, old: float) -> None:
    with pytest.raises(ConfigError):
        numbers.with_threshold(expr, old, 7)
