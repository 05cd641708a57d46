"""Files are changed where they are told to be and nowhere else; values become files that read back equal."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import shipped
from pitchey_slo.slo import load
from pitchey_slo.slo.spec import edit
from pitchey_slo.slo.spec.write import SpecFile

FULL = """\
# what people find here
apiVersion: openslo/v1   # the version
kind: SLO
metadata:
  name: x
  labels: {tier: critical, team: [a, b]}
  annotations:
    # more windows
    pitchey.com/windows: "7d"   # a week too
    note: 'it''s here'
    long: |
      first
        second

      third

  # after the annotations
spec:
  service: test
  description: >-
    folded
    text
  indicator:
    metadata: {name: x}
    spec:
      ratioMetric:
        bad: {metricSource: {type: pitchey, spec: {table: requests, filter: "status >= 500"}}}
        total:
          metricSource:
            type: pitchey
            spec:
              table: requests       # no filter

  timeWindow:
  - duration: 28d   # no indent
    isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - displayName: first
      targetPercent: 99.9   # three nines
    - target: 0.95
  alertPolicies: # none yet
---
# a second document
apiVersion: openslo/v1
kind: Service
metadata:
    name: test
    displayName: "T"
"""


def opened(tmp_path: Path, text: str = FULL) -> SpecFile:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode())
    return SpecFile.open(path)


def changed(old: str, new: str) -> list[str]:
    """The lines that differ, `-` and `+`; line ends are compared too."""
    found = difflib.ndiff(old.splitlines(keepends=True), new.splitlines(keepends=True))
    return [line.rstrip("\n") for line in found if line[0] in "+-"]


def all_specs(conformance: Path) -> list[Path]:
    places = (shipped("config") / "slos", conformance / "openslo" / "spec" / "examples")
    files = [f for place in places for f in place.rglob("*.yaml")]
    files += (conformance / "sloth" / "examples").glob("openslo-*.yml")
    assert len(files) >= 15
    return files


def test_unedited_and_edited_back_it_is_the_same_bytes(conformance: Path, tmp_path: Path) -> None:
    for i, source in enumerate(all_specs(conformance)):
        plain = source.read_bytes()
        # Windows' line ends and a byte order mark: for some of them, as it takes a while
        variants = (plain, plain.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + plain) if i % 5 == 0 else (plain,)
        for text in variants:
            path = tmp_path / source.name
            path.write_bytes(text)
            file = SpecFile.open(path)
            assert file.text().encode() == text
            assert not file.save() and not file.diff()
            data = next(d for d in edit.load(source.read_text()) if d["kind"] == "SLO")
            name, old = data["metadata"]["name"], data["spec"]["objectives"][0]["target"]
            file.set_target(name, 0, 0.123)
            (minus, plus) = changed(text.decode(), file.text())
            assert str(old) in minus and plus == "+" + minus[1:].replace(str(old), "0.123")
            assert file.save() and path.read_bytes() == file.text().encode()
            file.set_target(name, 0, old)
            assert file.save() and path.read_bytes() == text


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        ("spec.service", "web", ["-   service: test", "+   service: web"]),
        ("spec.objectives[1].target", 0.99, ["-     - target: 0.95", "+     - target: 0.99"]),
        ("spec.objectives[1].displayName", "b", ["+       displayName: b"]),
        ("spec.objectives[2]", {"target": 0.5, "displayName": "c"}, ["+     - target: 0.5", "+       displayName: c"]),
        (
            "spec.objectives[0].targetPercent",
            99.5,
            ["-       targetPercent: 99.9   # three nines", "+       targetPercent: 99.5   # three nines"],
        ),
        ("metadata.annotations.note", "isn't", ["-     note: 'it''s here'", "+     note: 'isn''t'"]),
        ("metadata.annotations.new.key/a", "1", ['+     new.key/a: "1"']),
        (
            "metadata.annotations.long",
            "a\nb\n",
            [
                "-       first",
                "-         second",
                "- ",
                "-       third",
                "+       a",
                "+       b",
            ],
        ),
        ("metadata.labels.tier", "low", None),
        ("metadata.labels.team[0]", "z", None),
        ("metadata.labels.team[2]", "c", None),
        ("metadata.labels.new", "n", None),
        ("metadata.displayName", "X: y", ['+   displayName: "X: y"']),
        ("spec.description", "two\nlines", None),
        (
            "spec.timeWindow[0].duration",
            "30d",
            [
                "-   - duration: 28d   # no indent",
                "+   - duration: 30d   # no indent",
            ],
        ),
        ("spec.indicator.spec.ratioMetric.counter", False, ["+         counter: false"]),
        (
            "spec.indicator.spec.ratioMetric.total.metricSource.spec.filter",
            "route = '/a'",
            ["+               filter: \"route = '/a'\""],
        ),
        ("spec.alertPolicies", [], ["-   alertPolicies: # none yet", "+   alertPolicies: [] # none yet"]),
        ("spec.objectives", [{"target": 0.9}], None),
        ("spec.timeWindow", [{"duration": "7d", "isRolling": True}], None),
    ],
)
def test_one_value_changes_its_own_lines(tmp_path: Path, path: str, value: Any, lines: list[str] | None) -> None:
    for newline in ("\n", "\r\n"):
        text = FULL.replace("\n", newline)
        file = opened(tmp_path, text)
        file.set("x", path, value)
        new = file.text()
        if lines is not None:
            assert sorted(line.rstrip("\r") for line in changed(text, new)) == sorted(lines)
        assert new.count("\r") == (new.count("\n") if newline == "\r\n" else 0)
        assert set(edit_lines(text)) - set(edit_lines(new)) < set(edit_lines(text))
        steps = edit.path_of(path)
        found = YAML(typ="safe").load(new.split("---" + newline)[0])
        for step in steps:
            found = found[step]
        assert found == value
        assert "# a second document" in new and "# after the annotations" in new and "# more windows" in new


def edit_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("metadata.annotations.note", ["-     note: 'it''s here'"]),
        ("metadata.labels.tier", ["-   labels: {tier: critical, team: [a, b]}", "+   labels: {team: [a, b]}"]),
        ("metadata.labels.team", ["-   labels: {tier: critical, team: [a, b]}", "+   labels: {tier: critical}"]),
        (
            "metadata.labels.team[1]",
            [
                "-   labels: {tier: critical, team: [a, b]}",
                "+   labels: {tier: critical, team: [a]}",
            ],
        ),
        (
            "spec.objectives[0].displayName",
            [
                "-     - displayName: first",
                "-       targetPercent: 99.9   # three nines",
                "+     - targetPercent: 99.9   # three nines",
            ],
        ),
        ("spec.objectives[1]", ["-     - target: 0.95"]),
        ("spec.objectives[0]", ["-     - displayName: first", "-       targetPercent: 99.9   # three nines"]),
        ("spec.description", ["-   description: >-", "-     folded", "-     text"]),
        ("spec.timeWindow[0]", ["-   timeWindow:", "-   - duration: 28d   # no indent", "-     isRolling: true"]),
        ("spec.alertPolicies", ["-   alertPolicies: # none yet"]),
    ],
)
def test_what_is_taken_out_takes_only_its_lines(tmp_path: Path, path: str, gone: list[str]) -> None:
    file = opened(tmp_path)
    file.remove("x", path)
    assert changed(FULL, file.text()) == gone


def test_windows_and_targets(tmp_path: Path) -> None:
    file = opened(tmp_path)
    file.add_window("x", "1M Europe/London")
    file.add_window("x", "28d")  # the window of the spec
    file.add_window("x", "7d")
    assert '    pitchey.com/windows: "7d, 1M Europe/London"   # a week too\n' in file.text()
    assert [w.text for w in file.specs().slos[0].windows] == ["28d", "7d", "1M Europe/London"]
    file.remove_window("x", "7d")
    file.remove_window("x", "1M Europe/London")
    assert "pitchey.com/windows" not in file.text() and "# a week too" not in file.text()
    file.add_window("x", "1w")
    assert "      third\n    pitchey.com/windows: 1w\n" in file.text()
    with pytest.raises(ConfigError, match=r"spec\.timeWindow\[0\]\.duration"):
        file.remove_window("x", "28d")
    with pytest.raises(ConfigError, match="there are: 1w"):
        file.remove_window("x", "3d")
    with pytest.raises(ConfigError, match="is not a window"):
        file.add_window("x", "1 week")
    file.set_target("x", "first", 0.9995)
    assert "targetPercent: 99.95   # three nines" in file.text()
    file.set_target("x", "95%", 0.5)
    assert [o.target for o in file.specs().slos[0].objectives] == [0.9995, 0.5]
    with pytest.raises(ConfigError, match='did you mean "first"'):
        file.set_target("x", "frist", 0.5)


def test_an_annotation_is_made_where_there_is_none(tmp_path: Path) -> None:
    text = FULL[: FULL.index("  annotations:")] + FULL[FULL.index("spec:") :]
    file = opened(tmp_path, text)
    pairs = (
        "- {long: 1h, short: 5m, factor: 14.4, severity: page}\n- {long: 6h, short: 30m, factor: 6, severity: page}\n"
    )
    file.set_annotation("x", "pitchey.com/burn-alerts", pairs)
    assert changed(text, file.text()) == [
        "+   annotations:",
        "+     pitchey.com/burn-alerts: |",
        "+       - {long: 1h, short: 5m, factor: 14.4, severity: page}",
        "+       - {long: 6h, short: 30m, factor: 6, severity: page}",
    ]
    burn_pairs = file.specs().slos[0].burn_pairs
    assert burn_pairs and [p.factor for p in burn_pairs] == [14.4, 6.0]
    file.set_annotation("x", "pitchey.com/burn-alerts", None)
    file.set_annotation("x", "pitchey.com/burn-alerts", None)
    assert file.text() == text


def test_the_last_line_may_lack_its_end(tmp_path: Path) -> None:
    file = opened(tmp_path, FULL.rstrip("\n"))
    file.set("test", "metadata.labels.a", "b", kind="Service")
    assert file.text() == FULL.rstrip("\n") + "\n    labels:\n      a: b"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.objectives[1].target", 1.0, r"x\.yaml:41: spec\.objectives\[1\]\.target: 1\.0 is outside"),
        ("spec.budgetingMethod", "Sometimes", "Occurrences"),
        ("spec.objectives[5]", {"target": 0.5}, r"spec\.objectives has no \[5\]"),
        ("spec.service.name", "x", r"spec\.service has no name"),
        ("spec.indicatorRef", "y", "exclude each other"),
        ("spec..x", 1, "is no path"),
        ("spec.objectives[0].value", float("nan"), "cannot be written"),
        ("spec.objectives[0].value", object(), "cannot be written"),
        ("metadata.annotations.pitchey.com/widows", "7d", 'did you mean "pitchey.com/windows"'),
    ],
)
def test_an_edit_that_makes_a_wrong_spec_is_refused(tmp_path: Path, path: str, value: Any, says: str) -> None:
    file = opened(tmp_path)
    with pytest.raises(ConfigError, match=says):
        file.set("x", path, value)
    assert file.text() == FULL
    with pytest.raises(ConfigError, match="no SLO named 'y'"):
        file.set("y", "spec.service", "x")


def test_shared_values_are_left_to_people(tmp_path: Path) -> None:
    text = FULL.replace("displayName: first", "displayName: &a first").replace(
        "- target: 0.95", "- target: 0.95\n      displayName: *a"
    )
    file = opened(tmp_path, text)
    with pytest.raises(ConfigError, match=r"anchor or a tag.*by hand"):
        file.set("x", "spec.objectives[0].displayName", "b")
    with pytest.raises(ConfigError, match=r"alias.*by hand"):
        file.set("x", "spec.objectives[1].displayName", "b")
    file.set("x", "spec.objectives[1].op", "lte")
    assert changed(text, file.text()) == ["+       op: lte"]
    merged = FULL.replace("- displayName: first", "- &o\n      displayName: first").replace(
        "- target: 0.95", "- <<: *o\n      targetPercent: 95"
    )
    file = opened(tmp_path, merged)
    file.set("x", "spec.objectives[1].displayName", "second")  # stands over the merged one
    assert changed(merged, file.text()) == ["+       displayName: second"]
    file = opened(tmp_path, merged)
    with pytest.raises(ConfigError, match="other values would change"):
        file.set("x", "spec.objectives[0].displayName", "other")


def test_what_was_wrong_before_may_be_edited(tmp_path: Path) -> None:
    wrong = FULL.replace("target: 0.95", "target: 1.0").replace("service: test", "servce: test")
    file = opened(tmp_path, wrong)
    with pytest.raises(ConfigError, match="outside"):
        file.specs()
    file.set("x", "spec.objectives[1].target", 0.95)
    file.set("x", "spec.service", "test")
    file.remove("x", "spec.servce")
    assert file.specs().slos[0].service == "test"
    with pytest.raises(ConfigError, match="not YAML"):
        opened(tmp_path, "a: [")


def test_references_to_other_files(tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "sli.yaml").write_text(
        "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: shared}\nspec:\n  thresholdMetric:\n    metricSource:\n"
        "      {type: pitchey, spec: {table: requests, value: duration_ms}}\n"
    )
    text = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: x}\nspec:\n  service: s\n  indicatorRef: shared\n"
    text += "  budgetingMethod: Occurrences\n  objectives:\n    - {target: 0.9, op: lte, value: 5}\n"
    file = opened(tmp_path, text)
    file.set("x", "spec.objectives[0].value", 6)  # what is missing was missing before
    path = tmp_path / "x.yaml"
    file = SpecFile.open(path, among=[tmp_path / "others", path])
    file.set("x", "spec.objectives[0].value", 7)
    assert file.specs().slos[0].objectives[0].value == 7
    with pytest.raises(ConfigError, match=r"no SLI named 'shred'.*did you mean"):
        file.set("x", "spec.indicatorRef", "shred")


def test_saving_is_whole_and_guards_other_peoples_changes(tmp_path: Path) -> None:
    file = opened(tmp_path)
    path = tmp_path / "x.yaml"
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    file.set_target("x", 1, 0.9)
    assert file.diff().count("\n+") == 2  # the header and one line
    assert file.save() and not file.save()
    assert os.stat(path).st_mode & 0o777 == 0o640 and sorted(p.name for p in tmp_path.iterdir()) == [
        "link.yaml",
        "x.yaml",
    ]
    linked = SpecFile.open(link)
    linked.set_target("x", 1, 0.8)
    linked.save()
    assert link.is_symlink() and load(path)[0].objectives[1].target == 0.8
    file.set_target("x", 1, 0.7)
    with pytest.raises(ConfigError, match="changed since it was opened"):
        file.save()
    assert load(path)[0].objectives[1].target == 0.8


# ---- any edit of any text ------------------------------------------------------------------------------------------

WORDS = st.text(alphabet="abc xyz:#-'\"\\{}[],&*!|>%@`~0\n\té€\u2028\x07😀", max_size=12)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    WORDS,
    st.sampled_from(["null", "yes", "1e5", "1e-5", "0x1f", "012", "2026-01-01", "28d", "a: b", "a #b", " a", "a\nb\n"]),
)
KEYS = st.sampled_from(["a", "b", "kind", "a b", "pitchey.com/x", "no", "1"])
TREES = st.recursive(
    VALUES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
COMMENTS = st.sampled_from(["", "  # why", "\n# alone\n", "\n\n"])


def paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    for step, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*before, step)
        yield from paths(part, (*before, step))


def commented(text: str, data: st.DataObject) -> str:
    """`text` with comments and empty lines where YAML allows them whatever stands there: between top-level keys."""
    lines = text.splitlines(keepends=True)
    tops = [i for i, line in enumerate(lines) if line[:1].strip() and line[:1] not in "#-"]
    for i in reversed(tops):
        lines.insert(i, data.draw(st.sampled_from(["", "# why\n", "\n# a: b\n\n"])))
    return "".join(lines)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=4), TREES, st.data())
def test_any_edit_keeps_all_other_bytes_and_reads_back(tree: dict[str, Any], value: Any, data: st.DataObject) -> None:
    from pitchey_slo.slo.spec import emit

    style = data.draw(st.sampled_from(["ours", "ruamel", "flow"]))
    if style == "ours":
        text = "\n".join(emit.block(tree, 0)) + "\n"
    elif style == "flow":
        text = emit.flow(tree) + "  # end\n"
    else:
        text = dumped(tree)
    text = "first: 1\n---\n" + commented(text, data)
    if data.draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    assert edit.load(text)[1] == tree
    every = list(paths(tree))
    path = data.draw(st.sampled_from(every))
    if data.draw(st.booleans()):
        path = (*path[:-1], "new key") if isinstance(path[-1], str) else path
    try:
        new = edit.assign(text, 1, path, value)
    except ConfigError as error:
        # the only things given up on: values that share an anchor, and nothing written where an item should be
        assert "by hand" in str(error) and style == "ruamel"
        return
    expected = edit._plain(tree)
    holder = expected
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    assert YAML(typ="safe").load_all(new) is not None
    assert edit.load(new) == [{"first": 1}, edit._plain(expected)]
    if style != "flow":
        kept_around(text, new, path)
    if path[-1] != "new key":
        back = edit.assign(new, 1, path, edit._plain(tree_at(tree, path)))
        assert edit.load(back)[1] == tree
    if len(tree) > 1:
        taken = edit.remove(text, 1, every[0])
        assert edit.load(taken)[0] == {"first": 1}


def tree_at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def dumped(tree: Any) -> str:
    import io

    out = io.StringIO()
    YAML(typ="rt").dump(tree, out)
    return out.getvalue()


def kept_around(old: str, new: str, path: tuple[str | int, ...]) -> None:
    """Every line outside the top-level entry that was edited is there unchanged, in order."""
    key = re.compile(rf"""["']?{re.escape(str(path[0]))}["']?:""")
    for a, b in ((old, new), (new, old)):
        assert all(e in b for e in entries(a) if not key.match(e)), (a, b)


def entries(text: str) -> list[str]:
    """The top-level entries of the second document, as text, when it is in block style."""
    body = text.partition("---")[2]
    found: list[str] = []
    for line in body.splitlines(keepends=True):
        if line[:1].strip() and line[:1] not in "#{-" and found:
            found.append(line)
        elif found:
            found[-1] += line
        else:
            found.append(line)
    return [e.rstrip() for e in found]
