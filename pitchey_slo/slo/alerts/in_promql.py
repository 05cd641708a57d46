"""An SLI, said in PromQL: the bad and the valid amount of any window, and the share that was bad.

    type pitchey       our own counters pitchey_slo_bad_total and pitchey_slo_valid_total (events, weighted)
    type prometheus    the query of the spec; what is made of it depends on what it gives:

    query                          amount over a window w
    a counter (counter: true)      sum(increase(query[w])), and increase((query)[w:1m]) of anything but a plain selector
    has {{.window}} in it          the query with w put there
    numbers of events per minute   sum_over_time((query)[w:1m])
    a threshold                    samples, one per series and minute, beside the value
    a raw ratio                    the query with w in it, or its average over the minutes of w

Amounts are always divided after they were summed, so every event weighs the same. For time slices the same is asked of
each slice, and the share is that of bad slices among all, as the report counts it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from pitchey_slo.errors import QueryError, SloError
from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.slo.budget import budget_part
from pitchey_slo.slo.ledger import ROUNDING, method_of
from pitchey_slo.slo.model import Indicator, MetricSource, Objective, Raw, Slo, Threshold

BAD = "pitchey_slo_bad_total"
VALID = "pitchey_slo_valid_total"
#: Labels that tell our counters apart.
LABELS = ("slo", "service", "objective")
#: Types of metric sources that hold PromQL.
PROMQL_TYPES = ("prometheus", "promql")
_WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}")
_BAD_OP = {"lte": ">", "lt": ">=", "gte": "<", "gt": "<="}


@dataclass(frozen=True)
class Spoken:
    """PromQL with `{{.window}}` where a duration belongs. `bad` and `valid` are amounts of events; a raw ratio has only
    `share`. `by`: the labels that results keep (none for foreign queries). `ours`: our own counters."""

    bad: str | None
    valid: str | None
    share: str
    by: tuple[str, ...] = ()
    ours: bool = False

    def of_bad(self, minutes: int) -> str | None:
        return None if self.bad is None else put(self.bad, f"{promql_duration(minutes)}")

    def of_valid(self, minutes: int) -> str | None:
        return None if self.valid is None else put(self.valid, f"{promql_duration(minutes)}")

    def of_share(self, minutes: int) -> str:
        """Bad of valid over so many minutes."""
        return put(self.share, promql_duration(minutes))


def spoken(slo: Slo, objective: Objective) -> Spoken:
    """The SLI of one objective in PromQL. SloError for a metric source of another type."""
    indicator = objective.indicator or slo.indicator
    if indicator is None:
        raise SloError(f"{slo.name}: nothing says what to measure; give indicator or indicatorRef")
    types = {s.type.lower() for s in sources(indicator)}
    if types == {"pitchey"}:
        chosen = f"{{slo={quoted(slo.name)}, objective={quoted(objective.title)}}}[{{{{.window}}}}]"
        bad, valid = (f"sum by ({', '.join(LABELS)}) (increase({name}{chosen}))" for name in (BAD, VALID))
        return Spoken(bad, valid, f"{bad}\n/ {valid}", LABELS, ours=True)
    if not types <= set(PROMQL_TYPES):
        strange = sorted(types - set(PROMQL_TYPES))[0]
        raise SloError(
            f"{slo.name}: metricSource of type {strange!r} cannot be said in PromQL; pitchey and prometheus can"
        )
    return _foreign(indicator, objective)


def sources(indicator: Indicator) -> tuple[MetricSource, ...]:
    """Every query of an indicator."""
    metric = indicator.metric
    if isinstance(metric, Threshold | Raw):
        return (metric.source,)
    return tuple(s for s in (metric.good, metric.bad, metric.total) if s is not None)


def burn_share(slo: Slo, objective: Objective, minutes: int) -> str:
    """The share of the unit of the budget that was bad: events, or time slices (the window rounded up to whole ones).
    Over 1 - target it is the burn rate."""
    said = spoken(slo, objective)
    method, width = method_of(slo, objective)
    if method == "Occurrences":
        return said.of_share(minutes)
    count = -(-minutes // width)
    grid = f"[{promql_duration(count * width)}:{promql_duration(width)}]"
    return f"sum_over_time((\n{indented(slice_bad(slo, objective))}\n){grid})\n/ {count}"


def slice_bad(slo: Slo, objective: Objective) -> str:
    """How bad the slice that ends now is: 0 or 1 (Timeslices), or its bad share (RatioTimeslices); no value when
    nothing valid happened in it."""
    said = spoken(slo, objective)
    method, width = method_of(slo, objective)
    # the sample at the start of the slice belongs to the difference, and windows are open on the left
    window = f"{width * 60 + TICK_SECONDS}s" if said.ours else promql_duration(width)
    if said.bad is None or said.valid is None:
        share = put(said.share, window)
    else:
        share = f"{put(said.bad, window)}\n/ ({put(said.valid, window)} > 0)"
    if method == "RatioTimeslices":
        return f"clamp({share}, 0, 1)"
    allowed = float(Decimal(repr(budget_part(objective.slice_target or 0.0))) + Decimal(repr(ROUNDING)))
    return f"{share}\n> bool {allowed!r}"


def _foreign(indicator: Indicator, objective: Objective) -> Spoken:
    metric = indicator.metric
    if isinstance(metric, Raw):
        query = _put_window(metric.source.query)
        share = f"avg({query})" if "{{.window}}" in query else f"avg(avg_over_time(({query})[{{{{.window}}}}:1m]))"
        return Spoken(None, None, share if metric.raw_type == "failure" else f"1 - {share}")
    if isinstance(metric, Threshold):
        # NaN is no measurement, and compares false
        query = f"(({put(metric.source.query, '1m')}) >= -Inf)"
        bad = f"{query} {_BAD_OP[objective.op or 'lte']} bool {float(objective.value or 0.0)!r}"
        return _ratio(
            f"sum(sum_over_time(({bad})[{{{{.window}}}}:1m]))", f"sum(count_over_time({query}[{{{{.window}}}}:1m]))"
        )
    valid = amount(metric.total.query, counter=metric.counter)
    part = metric.bad or metric.good
    assert part is not None
    found = amount(part.query, counter=metric.counter)
    # a series of bad ones may not exist before the first: that is none, not "no data"
    found = f"({found} or {valid} * 0)"
    return _ratio(found if metric.bad else f"({valid} - {found})", valid)


def _ratio(bad: str, valid: str) -> Spoken:
    return Spoken(bad, valid, f"{bad}\n/ {valid}")


def amount(query: str, *, counter: bool) -> str:
    """What a query counts over `{{.window}}`, summed over its series."""
    query = _put_window(query).strip()
    if "{{.window}}" in query:
        return query if _sums(query) else f"sum({query})"
    if not counter:
        return f"sum(sum_over_time(({query})[{{{{.window}}}}:1m]))"
    inner = re.fullmatch(r"sum\s*(?:by\s*\([^)]*\)\s*)?\((.*)\)", query, re.DOTALL)
    for text in (query, inner[1].strip() if inner else ""):
        if text and _is_selector(text):
            return f"sum(increase({text}[{{{{.window}}}}]))"
    return f"sum(increase(({query})[{{{{.window}}}}:1m]))"


def _is_selector(text: str) -> bool:
    from pitchey_slo.promql import parse, tree

    try:
        node = parse(text)
    except QueryError:
        return False
    return isinstance(node, tree.Selector) and not node.offset_ms and node.at is None


def _sums(query: str) -> bool:
    """Whether a query is one sum over everything."""
    from pitchey_slo.promql import parse, tree

    node = parse(put(query, "1m"))
    return isinstance(node, tree.Aggregate) and node.op == "sum" and node.keep and not node.names


def _put_window(query: str) -> str:
    return _WINDOW.sub("{{.window}}", query)


def put(query: str, window: str) -> str:
    """`query` with `window` in place of `{{.window}}`."""
    return _WINDOW.sub(window, query)


def promql_duration(minutes: int) -> str:
    """
    >>> promql_duration(60), promql_duration(90), promql_duration(40320)
    ('1h', '90m', '28d')
    """
    for unit, each in (("d", 1440), ("h", 60)):
        if minutes % each == 0:
            return f"{minutes // each}{unit}"
    return f"{minutes}m"


def quoted(text: str) -> str:
    r"""A PromQL string.

    >>> quoted('say "no"')
    '"say \\"no\\""'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def indented(text: str, by: str = "  ") -> str:
    return "\n".join(by + line for line in text.splitlines())
