"""The labels of alerts, for all steps at once: what `alert.evaluate.alerts_of` gives live, by that same function.

Most rules have labels without templates, or templates of the series' own labels: one label set per series. A template
that looks at the value may give another alert at every step, so it is filled in for each value there was; one that
asks a query, for each step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from pitchey_slo.alert.evaluate import Place, Series, alerts_of
from pitchey_slo.alert.rules import Rule
from pitchey_slo.analyse.backtest.episodes import Bools, Floats, Ints
from pitchey_slo.series import Labels, labels_of

#: A query at a time of the data (ms).
Query = Callable[[str, int], Sequence[Series]]
_NOTHING: Final = Place("", {})
_OF_LABELS: Final = re.compile(r"\{\{-?\s*(\$labels|\.Labels)\.\w+\s*(\|\s*(toUpper|toLower|title)\s*)*-?\}\}")
_OF_VALUE: Final = re.compile(r"\$value|\.Value")


@dataclass(frozen=True)
class Named:
    """Rows of alerts by steps. `clash` marks steps at which two series would be the same alert: live, such an
    evaluation fails."""

    labels: list[Labels]
    value: Floats
    holds: Bools
    clash: Bools


def named(
    rule: Rule, labels: Sequence[Labels], value: Floats, present: Bools, times: Ints, offset_ms: int, query: Query
) -> Named:
    """`times` are those of the evaluations in ms; data are `offset_ms` older."""
    bare = replace(rule, annotations={})
    clash = np.zeros(len(times), np.bool_)
    if _plain(rule):
        own = [_one(bare, pairs, 0.0, 0, offset_ms, query) for pairs in labels]
        if len(set(own)) == len(own):
            return Named(own, np.where(present, value, np.nan), present, clash)
        cells: Iterable[tuple[Labels, int, Bools]] = [(own[i], i, present[i]) for i in range(len(own))]
    else:
        cells = _by_value(rule, bare, labels, value, present, times, offset_ms, query)
    rows: dict[Labels, int] = {}
    parts: list[tuple[int, int, Bools]] = []
    for final, i, where in cells:
        parts.append((rows.setdefault(final, len(rows)), i, where))
    holds, out = np.zeros((len(rows), len(times)), np.bool_), np.full((len(rows), len(times)), np.nan)
    for row, i, where in parts:
        clash |= holds[row] & where
        holds[row] |= where
        out[row, where] = value[i, where]
    return Named(list(rows), out, holds, clash)


def _by_value(
    rule: Rule, bare: Rule, labels: Sequence[Labels], value: Floats, present: Bools, times: Ints, offset_ms: int,
    query: Query,
) -> Iterable[tuple[Labels, int, Bools]]:  # fmt: skip
    """(labels of the alert, series, steps) for templates that look at more than labels."""
    texts = [text for text in rule.labels.values() if "{{" in text]
    only_value = all(not re.search(r"[a-zA-Z]", _left(text)) for text in texts)
    for i, pairs in enumerate(labels):
        steps = np.flatnonzero(present[i])
        if only_value:
            distinct, place = np.unique(value[i, steps], return_inverse=True)
            groups = [(float(v), int(times[steps[0]]), steps[place == k]) for k, v in enumerate(distinct)]
        else:
            groups = [(float(value[i, s]), int(times[s]), np.array([s])) for s in steps]
        for number, at, there in groups:
            where = np.zeros(len(times), np.bool_)
            where[there] = True
            yield _one(bare, pairs, number, at, offset_ms, query), i, where


def _plain(rule: Rule) -> bool:
    """Whether the labels depend on the series' labels alone."""
    return all("{{" not in _OF_LABELS.sub("", text) for text in rule.labels.values())


def _left(text: str) -> str:
    """What a template has besides labels, the value and how numbers are written."""
    inside = " ".join(re.findall(r"\{\{.*?\}\}", text, re.DOTALL))
    inside = _OF_VALUE.sub("", re.sub(r'"[^"]*"|`[^`]*`|(\$labels|\.Labels)\.\w+', "", inside))
    return re.sub(r"\b(printf|print|humanize\w*|if|else|end|gt|ge|lt|le|eq|ne|and|or|not|with)\b", "", inside)


def _one(bare: Rule, pairs: Labels, value: float, at_ms: int, offset_ms: int, query: Query) -> Labels:
    now = datetime.fromtimestamp(at_ms / 1000, UTC)
    found = alerts_of(bare, [(dict(pairs), value)], lambda text: query(text, at_ms - offset_ms), now, _NOTHING, 0)
    (sample,) = found.values()
    return labels_of(sample.labels)
