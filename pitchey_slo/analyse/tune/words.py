"""A tuning in words, for people who have to decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from pitchey_slo.alert.state import span
from pitchey_slo.analyse.tune.choose import Left
from pitchey_slo.analyse.tune.model import Point
from pitchey_slo.slo.interval import wilson

FEW = 5
ENOUGH = 20


def setting(point: Point) -> str:
    """`0.035 for 3m`, as people say it."""
    parts = [] if point.threshold is None else [f"{point.threshold:g}"]
    parts.append(f"for {span(timedelta(seconds=point.for_seconds))}")
    if point.window:
        parts.append(f"over {point.window}")
    return " ".join(parts)


def result(point: Point) -> str:
    """What a point would have done."""
    if not point.incidents:
        return f"{point.fired} firings ({rate(point.alerts_per_week)} a week)"
    detect = "" if math.isnan(point.detect_seconds) else f", found after {lasting(point.detect_seconds)} (median)"
    already = point.caught - point.told
    stale = f" ({already} of them because it fired already)" if already else ""
    if point.by_chance >= max(1.0, 0.15 * point.caught):
        stale += f" (about {point.by_chance:.0f} by chance)"
    return (
        f"{point.caught} of {point.incidents} incidents caught{stale}, {point.false} of {point.fired} firings false "
        f"({rate(point.false_per_week)} a week){detect}"
    )


def rate(number: float) -> str:
    """
    >>> rate(0.25), rate(4.1666), rate(1023.4)
    ('0.25', '4.2', '1,023')
    """
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def lasting(seconds: float) -> str:
    """
    >>> lasting(95), lasting(0), lasting(7260)
    ('1.6 min', '0 min', '2 h')
    """
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"


def how_sure(left: Sequence[Left], incidents: int, caught: int, changes: bool) -> str:
    """ "not", "weakly", "fairly" or "well": by the number of incidents and of blocks in which the choice held up."""
    if not left or not incidents or not caught:
        return "not"
    no_worse = sum(each.cost <= each.current + 1e-9 for each in left) / len(left)
    if incidents < FEW or len(left) < 3 or (changes and no_worse < 0.6):
        return "weakly"
    return "well" if incidents >= ENOUGH and no_worse >= 0.75 else "fairly"


def reasons(
    current: Point, best: Point, chosen: Point, left: Sequence[Left], fold_name: str, sure: str, blocks: int
) -> tuple[str, ...]:
    """Sentences: what is proposed, what it does against now, how it held up, how sure that is."""
    told = []
    changes = chosen.place != current.place
    if changes:
        told.append(f"Take {setting(chosen)} instead of {setting(current)}: {result(chosen)}; now {result(current)}.")
    else:
        told.append(f"Keep {setting(current)}: {result(current)}.")
    if not current.incidents:
        told.append("No incident is labelled in this time, so nothing says which firings were right. Label some first.")
        return tuple(told)
    if not best.caught:
        told.append("No threshold of this rule catches any of the incidents: they do not show in what it looks at.")
    told += _held(left, fold_name, changes, blocks)
    if not changes and best.place != current.place and best.cost < current.cost - 1e-9:
        told.append(f"In hindsight {setting(best)} would have been better ({result(best)}), but that did not hold up.")
    low, high = wilson(chosen.recall, chosen.incidents)
    told.append(
        f"Of such incidents it catches between {low:.0%} and {high:.0%} (95 %). {_sure(sure, current.incidents)}"
    )
    return tuple(told)


def _held(left: Sequence[Left], fold_name: str, changes: bool, blocks: int) -> list[str]:
    if not left:
        return [f"All incidents began in one {fold_name}: leaving it out leaves nothing to choose from."]
    mine, now = sum(each.cost for each in left), sum(each.current for each in left)
    better = sum(each.cost < each.current - 1e-9 for each in left)
    worse = sum(each.cost > each.current + 1e-9 for each in left)
    what = "cost" if changes else "would have cost"
    return [
        f"Chosen from the other {fold_name}s and judged on the one left out, {len(left)} of {blocks} times, it {what} "
        f"{mine:.3g} (in false firings) against {now:.3g} of the current rule: better in {better}, worse in {worse}."
    ]


def _sure(sure: str, incidents: int) -> str:
    if sure == "not":
        return "That is not enough to decide on."
    if incidents < FEW:
        return f"Only {incidents} incident{'s' if incidents != 1 else ''}: one more can turn this round."
    if sure == "weakly":
        return "It did not hold up everywhere: take it with care."
    return (
        "It held up in most blocks."
        if sure == "fairly"
        else f"{incidents} incidents, and it held up nearly everywhere."
    )
