"""One rule at one time: PromQL answers, templates fill in, and what is found goes to `state.step` or to the store.

A rule sees the data of `query_offset` ago: its samples carry that time, as Prometheus has it. Whatever is wrong (a
query that fails, two alerts with the same labels, more of them than the group's limit) is a QueryError, and no step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from pitchey_slo.alert.model import fingerprint
from pitchey_slo.alert.rules import Rule, RuleGroup
from pitchey_slo.alert.state import Sample
from pitchey_slo.alert.templates import expand, prometheus_functions
from pitchey_slo.alert.templates.functions import Wrong
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Limits, Matcher, Scan, SeriesBlock, instant, parse
from pitchey_slo.promql.needs import needs_of, together
from pitchey_slo.promql.plan import Query, plan
from pitchey_slo.promql.values import Grid
from pitchey_slo.series import Labels, labels_of

#: What one rule may take: samples read, series found, seconds.
LIMITS: Final = Limits(series=50_000, samples=20_000_000, seconds=10.0)
#: Queries that the templates of one alert may ask.
TEMPLATE_QUERIES: Final = 20
#: Reads of rules are joined up to this length: all windows of a burn alert of three days are one read.
WIDEST_MS: Final = 4 * 86_400_000

Series = tuple[dict[str, str], float]


@dataclass(frozen=True)
class Place:
    """What templates know besides labels and value."""

    url: str = ""
    labels: Mapping[str, str] | None = None


#: (matchers, labels looked at, how long before the tick it ends) of a read, and how long it reaches back, in ms.
Reach = Mapping[tuple[Any, ...], int]


def reach_of(groups: Iterable[RuleGroup]) -> Reach:
    """How far the rules of all groups look back, per selector. `x`, `x[5m]` and `x[30m]` of different rules then are
    one read. What looks further back than `WIDEST_MS` is left as it is asked."""
    found: dict[tuple[Any, ...], int] = {}
    for rule in (rule for group in groups for rule in group.rules):
        root = parse(rule.expr)
        needs = needs_of(root)
        for fetch in plan(root, Query(rule.expr, Grid(0, 1, 1))):
            looked_at = together(needs[selector] for selector in fetch.selectors)
            length = fetch.end_ms - fetch.start_ms
            for matchers in fetch.selectors[0].alternatives:
                key = (tuple(matchers), looked_at, fetch.end_ms)
                if length <= WIDEST_MS:
                    found[key] = max(found.get(key, 0), length)
    return found


class TickScan:
    """A scan that asks for the same samples once, however many rules of a tick (at `at_ms`) want them; for any number
    of threads. With `reach` a read takes as much as the widest of the rules wants: more does no harm."""

    def __init__(self, scan: Scan, at_ms: int = 0, reach: Reach | None = None) -> None:
        self._scan, self._at_ms, self._reach = scan, at_ms, reach or {}
        self._lock = threading.Lock()
        self._found: dict[Any, Future[SeriesBlock]] = {}

    def anew(self) -> TickScan:
        """The same scan, remembering nothing."""
        return TickScan(self._scan, self._at_ms, self._reach)

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        labels = None if needs is None else frozenset(needs)
        widest = self._reach.get((tuple(matchers), labels, end_ms - self._at_ms), 0)
        start_ms = min(start_ms, end_ms - widest) if end_ms - start_ms <= WIDEST_MS else start_ms
        key = (tuple(matchers), start_ms, end_ms, labels)
        with self._lock:
            found = self._found.get(key)
            if found is None:
                mine: Future[SeriesBlock] = Future()
                self._found[key] = mine
        if found is not None:
            return found.result()
        try:
            mine.set_result(self._scan.select(matchers, start_ms, end_ms, needs=needs))
        except BaseException as error:
            mine.set_exception(error)
            with self._lock:
                self._found.pop(key, None)  # the next one may have more luck
            raise
        return mine.result()


def ask(expr: str, scan: Scan, at_ms: int, limits: Limits = LIMITS) -> list[Series]:
    """Labels and value of each series of an expression at one time; a scalar is a series without labels."""
    result = instant(expr, scan, at_ms, limits=limits, default_step_ms=15_000)
    if result.kind not in ("vector", "scalar"):
        raise QueryError(f"rule result is a {result.kind}, not one number per series")
    return [(dict(labels), float(value)) for labels, value in zip(result.labels, result.values[:, 0], strict=True)]


def alerts_of(
    rule: Rule,
    found: Sequence[Series],
    query: Callable[[str], Sequence[Series]],
    now: datetime,
    place: Place,
    limit: int,
) -> dict[str, Sample]:
    """What `state.step` takes, by fingerprint. Templates that fail say so in their text."""
    if limit and len(found) > limit:
        raise QueryError(f"exceeded limit of {limit} with {len(found)} alerts")
    asked = 0

    def counted(text: str) -> Sequence[Series]:
        nonlocal asked
        asked += 1
        if asked > TEMPLATE_QUERIES * max(1, len(found)):
            raise Wrong(f"more than {TEMPLATE_QUERIES} queries")
        return query(text)

    functions = prometheus_functions(query=counted, now=now, external_url=place.url)
    samples: dict[str, Sample] = {}
    generator = f"{place.url}/api/v1/query?query={quote(rule.expr, safe='')}" if place.url else ""
    for labels, value in found:
        fill = _Filler(functions, labels, value, place)
        own = {name: fill(text) for name, text in rule.labels.items()}
        final = {**labels, **own, "alertname": rule.name}
        final = {name: text for name, text in final.items() if text and name != "__name__"}
        key = fingerprint(final)
        if key in samples:
            raise QueryError("vector contains metrics with the same labelset after applying alert labels: "
                             f"{dict(sorted(final.items()))}")  # fmt: skip
        annotations = {name: fill(text) for name, text in rule.annotations.items()}
        samples[key] = Sample(final, value, annotations, generator)
    return samples


class _Filler:
    def __init__(
        self, functions: Mapping[str, Callable[..., Any]], labels: Mapping[str, str], value: float, place: Place
    ) -> None:
        self._functions = functions
        outside = dict(place.labels or {})
        self._data = {"Labels": labels, "Value": value, "ExternalLabels": outside, "ExternalURL": place.url}
        self._variables = {
            "$labels": labels,
            "$value": value,
            "$externalLabels": outside,
            "$externalURL": place.url,
        }

    def __call__(self, text: str) -> str:
        if "{{" not in text:
            return text
        return expand(text, self._data, self._functions, variables=self._variables)


def records_of(rule: Rule, found: Sequence[Series], limit: int) -> dict[Labels, float]:
    """The series a recording rule writes: its name, and its labels over those found."""
    if limit and len(found) > limit:
        raise QueryError(f"exceeded limit of {limit} with {len(found)} series")
    series: dict[Labels, float] = {}
    for labels, value in found:
        key = labels_of({**labels, **rule.labels, "__name__": rule.name})
        if key in series:
            raise QueryError(f"vector contains metrics with the same labelset after applying rule labels: {dict(key)}")
        series[key] = value
    return series
