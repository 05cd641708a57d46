"""Prometheus' own test files: every case that needs neither native histograms nor experimental syntax passes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from .promqltest import Outcome, run_file

#: What the files contain: passed, and not supported. A file that grows or a case that slips shows here.
EXPECTED = {
    "aggregators.test": (123, 37),
    "at_modifier.test": (76, 2),
    "collision.test": (2, 0),
    "functions.test": (251, 180),
    "histograms.test": (83, 102),
    "literals.test": (25, 0),
    "name_label_dropping.test": (29, 1),
    "native_histograms.test": (3, 519),
    "operators.test": (142, 72),
    "staleness.test": (17, 0),
}
REASONS = re.compile(r"native histograms|not supported: .*(experimental|native histograms)")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "promql.md"


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[Outcome]]:
    folder = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "promql"
    if not folder.exists():
        pytest.skip("the conformance data do not lie beside this checkout")
    return {path.name: run_file(path) for path in sorted(folder.glob("*.test"))}


def test_no_case_fails(outcomes: dict[str, list[Outcome]]) -> None:
    failed = [f"{file}:{o.line}: {o.text}: {o.reason}" for file, all_ in outcomes.items() for o in all_
              if o.status == "failed"]  # fmt: skip
    assert not failed, "\n".join(failed)


def test_the_counts_are_known(outcomes: dict[str, list[Outcome]]) -> None:
    counted = {file: Counter(o.status for o in all_) for file, all_ in outcomes.items()}
    assert {file: (c["passed"], c["not supported"]) for file, c in counted.items()} == EXPECTED


def test_only_native_histograms_and_experimental_syntax_are_left_out(outcomes: dict[str, list[Outcome]]) -> None:
    reasons = {o.reason for all_ in outcomes.values() for o in all_ if o.status == "not supported"}
    assert reasons
    assert [reason for reason in reasons if not REASONS.match(reason)] == []


def test_the_documented_table_is_the_measured_one() -> None:
    text = DOCS.read_text()
    for file, (passed, not_supported) in EXPECTED.items():
        assert f"| {file} | {passed} | 0 | {not_supported} |" in text
