"""Sentences for people, and the JSON form for machines."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pitchey_slo.slo import evaluate
from pitchey_slo.slo.spec.openslo import parse
from pitchey_slo.slo.words import number, percent

from .made import T0, MemoryReader, request, spec_text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.9993, "99.93 %"),
        (0.999996, "99.9996 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (0.00001, "0.001 %"),
        (-0.29, "-29 %"),
        (52.5, "5,250 %"),
        (0.9, "90 %"),
    ],
)
def test_percent_never_hides_the_last_failure(fraction: float, text: str) -> None:
    assert percent(fraction, 2) == text


def test_numbers() -> None:
    assert [number(n) for n in (4100.0, 2.5, 1234.5678, 0.0)] == ["4,100", "2.5", "1,235", "0"]


def test_the_sentence_says_what_happened_and_the_json_keeps_every_digit() -> None:
    reader = MemoryReader()
    reader.add(
        "requests", [request(T0 - timedelta(minutes=i), status=500 if i % 13 == 5 else 200) for i in range(1, 4101)]
    )
    text = spec_text(extra=', pitchey.com/noun: checkouts, pitchey.com/verb: "did not go through"')
    (found,) = evaluate(parse(text).slos, reader, now=T0, windows=["3d"])
    assert found.sentence().startswith("x: 316 of 4,100 checkouts did not go through in the last 3 days (92.29 % good")
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["sli"] == found.sli
    assert told["start"] == "2026-02-27T12:00:00Z"
    assert told["series"]["sli"].count(None) == int((found.series.valid == 0).sum())
    assert told["sentence"] == found.sentence()
