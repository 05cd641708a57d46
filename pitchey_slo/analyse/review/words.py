"""A proposal in sentences, for people who have to decide."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from pitchey_slo.analyse.review.model import Looked, lasting
from pitchey_slo.analyse.review.numbers import number
from pitchey_slo.analyse.tune import Changes, Incident, Point, Tuning

hold = lasting


def setting(point: Point) -> str:
    """`0.8, for 2m`, as the file says it."""
    held = f"for {lasting(point.for_seconds)}" if point.for_seconds else "at once"
    return held if point.threshold is None else f"{number(point.threshold)}, {held}"


def reasons(
    looked: Looked, tuning: Tuning, changes: Changes, gains: Sequence[Incident], others: Collection[str]
) -> tuple[str, ...]:
    """What is so, what would be, how it held up, how sure that is. `others`: ids of what other rules catch."""
    return tuple(
        part
        for part in (
            _now(looked),
            _then(looked, tuning, changes, gains),
            _lost(changes, others),
            _held(tuning),
            _sure(tuning),
        )
        if part
    )


def _now(looked: Looked) -> str:
    caught = len(looked.caught)
    what = f"It fired {times(looked.fired)} in {weeks(looked.weeks)}"
    if not looked.fired:
        return f"It did not fire in {weeks(looked.weeks)}."
    without = "none of them" if not looked.false else f"{len(looked.false)} of them"
    return f"{what}, {without} without an incident, and caught {incidents(caught)}."


def _then(looked: Looked, tuning: Tuning, changes: Changes, gains: Sequence[Incident]) -> str:
    point = tuning.recommended
    after = [c for c in changes.changes if c.after is not None]
    false = sum(c.incident is None for c in after)
    told = f"With {setting(point)} instead of {setting(tuning.current)} it would have fired {times(len(after))}, " + (
        "each for an incident" if after and not false else f"{false or 'none'} of them without an incident"
    )
    kept = {i.id for i in looked.caught} - {i.id for i in changes.newly_missed}
    if looked.caught:
        told += f", and caught {'the same' if len(kept) == len(looked.caught) else f'{len(kept)} of the same'} "
        told += f"{incidents(len(looked.caught))}"
    if gains:
        told += f"; and what nobody was told of: {', '.join(i.title for i in gains)}"
    was, will = tuning.current.detect_seconds, point.detect_seconds
    later = ""
    if not math.isnan(was) and not math.isnan(will) and abs(will - was) >= 15 and not gains:
        later = f" It would tell {abs(will - was) / 60:.1f} minutes {'later' if will > was else 'earlier'} (median)."
    return told + "." + later


def _lost(changes: Changes, others: Collection[str]) -> str:
    kept = dict.fromkeys(i.title for i in changes.newly_missed if i.id in others)
    lost = dict.fromkeys(i.title for i in changes.newly_missed if i.id not in others)
    told = [f"It would no longer fire for: {', '.join(kept)}; other rules do."] if kept else []
    if lost:
        told.append(f"It fired by chance for: {', '.join(lost)}; no other rule does.")
    return " ".join(told)


def _held(tuning: Tuning) -> str:
    if not tuning.held_out:
        return ""
    better, worse = _votes(tuning)
    mine, now = sum(f.cost for f in tuning.held_out), sum(f.current_cost for f in tuning.held_out)
    return (
        f"Each {tuning.fold_name} was judged by what the other {tuning.fold_name}s chose: that cost {mine:.3g} (in "
        f"firings for nothing) against {now:.3g} now, better in {better} of {len(tuning.held_out)}, worse in {worse}."
    )


def sure(tuning: Tuning) -> str:
    """As `Tuning.sure`, but weakly when as many blocks speak against it as for it."""
    better, worse = _votes(tuning)
    return "weakly" if tuning.sure in ("fairly", "well") and better <= worse else tuning.sure


def _votes(tuning: Tuning) -> tuple[int, int]:
    """Blocks in which it was better, and worse."""
    gains = [f.current_cost - f.cost for f in tuning.held_out]
    return sum(g > 1e-9 for g in gains), sum(g < -1e-9 for g in gains)


def _sure(tuning: Tuning) -> str:
    return {
        "well": "That is well founded.",
        "fairly": "That is fairly sure.",
        "weakly": "The evidence is weak: few incidents, or it did not hold up everywhere.",
    }.get(sure(tuning), "That is not enough to be sure.")


def times(count: int) -> str:
    """
    >>> times(1), times(2), times(143)
    ('once', 'twice', '143 times')
    """
    return {1: "once", 2: "twice", 0: "never"}.get(count, f"{count} times")


def weeks(count: float) -> str:
    """
    >>> weeks(4.0), weeks(1.0), weeks(0.5)
    ('4 weeks', '1 week', '3.5 days')
    """
    if count < 1:
        return f"{count * 7:.2g} days"
    return f"{count:.3g} week" + ("" if count == 1 else "s")


def incidents(count: int) -> str:
    """
    >>> incidents(0), incidents(1), incidents(2)
    ('no incident', '1 incident', '2 incidents')
    """
    return "no incident" if not count else f"{count} incident" + ("" if count == 1 else "s")
