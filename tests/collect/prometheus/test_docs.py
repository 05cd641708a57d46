"""docs/prometheus.md names every key, action, type and report that the code knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.collect.prometheus import config, push, relabel, target, wire
from pitchey_slo.collect.prometheus.remote_write import WRITE_LIMIT

PAGE = (Path(__file__).parents[3] / "docs" / "prometheus.md").read_text()


@pytest.mark.parametrize("word", sorted({*config._JOB, *relabel.ACTIONS, *push.TYPES, *push._KEYS, *target.REPORTS}))
def test_the_word_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("number", [wire.MAX_SERIES, wire.MAX_LABELS, wire.MAX_SAMPLES])
def test_the_limits_are_documented(number: int) -> None:
    assert f"{number:,}" in PAGE
    assert f"{WRITE_LIMIT >> 20} MiB" in PAGE
