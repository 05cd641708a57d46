"""docs/otlp.md says of every attribute, outcome and limit what the code does with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.collect.otlp import cloudflare, keys, metrics, records, sampling

TEXT = (Path(__file__).parents[3] / "docs" / "otlp.md").read_text(encoding="utf-8")
NAMES = [
    *(name for given in (keys.COLUMNS, keys.PLACES) for names in given.values() for name in names),
    *keys.PERSONAL,
    *keys.RESOURCE_KEPT,
    *cloudflare.STATUS,
    *(sampling.HEADER, "sampling.threshold", "sampling.rate", "SampleRate", "sampling.probability"),
]


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_every_name_is_in_the_docs(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_what_to_set_and_how_much_is_in_the_docs() -> None:
    for sentence in (metrics.USE_CUMULATIVE, metrics.USE_EXPLICIT):
        assert next(word for word in sentence.replace(",", " ").split() if word.startswith("OTEL_")) in TEXT
    assert f"{records.MOST_RECORDS:,} records" in TEXT and f"{records.DEEPEST} levels" in TEXT


@pytest.mark.parametrize("outcome", cloudflare.STATUS)
def test_the_table_of_outcomes_is_the_code(outcome: str) -> None:
    (line,) = (row for row in TEXT.splitlines() if row.startswith("|") and f"`{outcome}`" in row.split("|")[1])
    status = cloudflare.STATUS[outcome]
    assert line.split("|")[2].strip().startswith("nothing" if status is None else str(status))
