"""What is odd about the data behind a report, found and said in plain words instead of hidden.

kind             when                                                              what is done about it
good_over_total  more good (or bad) than total events: the filters do not fit      the SLI is held at 1 (or 0)
out_of_range     a value that cannot be: a share outside 0 to 1, a negative count  held at the nearest that can be
unmeasured       events without a usable value or weight                           left out
counter_reset    a counter fell: its process began anew                            counted from 0 again
new_series       a counter appeared in the window, with something on it            what it began with is left out
gap              a long time without any row, or a minute without samples          it is no data, not zero
late_data        the newest row is much older than the end of the window           said
incomplete_end   the last minutes are so recent that rows of them may still come   said
sampled          rows stand for several events each                                the interval goes by rows
few_events       the interval is wider than the whole budget                       said
corrected        time inside corrections                                           left out, or good slices
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.slo.plain import AsDict

if TYPE_CHECKING:
    from pitchey_slo.slo.sli import Minutes

NoteKind = Literal[
    "good_over_total",
    "out_of_range",
    "unmeasured",
    "counter_reset",
    "new_series",
    "gap",
    "late_data",
    "incomplete_end",
    "sampled",
    "few_events",
    "corrected",
]
#: Good may exceed total by rounding of weights; more than this is a spec whose filters do not fit.
SLACK = 1e-9
#: Rows of the last minute may still be on their way: clients send every few seconds. How late rows really come is not
#: kept in the lake; a spec whose source is slower says so (`pitchey.com/late-data`).
USUAL_DELAY = 1
#: A quiet time is a gap when it is this many times longer than all but one in a thousand of the others, ...
_LONGER = 3
#: ... and at least so many minutes, in data of at least so many minutes with rows.
_SHORTEST, _ENOUGH = 5, 100


@dataclass(frozen=True)
class Note(AsDict):
    """Something about the data that a reader of the numbers should know, in plain words.

    `count`: how many events, resets, series, stretches, rows or corrections it is about; `minutes`: how many minutes of
    the window it touches (0 where time is not the point).
    """

    kind: NoteKind
    text: str
    count: float
    minutes: int


@dataclass(frozen=True, eq=False)
class Odd:
    """Something odd that was met while counting: `count` of it in each minute of `at` (ascending, since 1970)."""

    kind: NoteKind
    at: NDArray[np.int64]
    count: NDArray[np.float64]


#: What is said of an `Odd` that was met in the window.
_MET: dict[str, tuple[str, str]] = {
    "counter_reset": (
        "A counter fell back once: its process began anew, and it is counted from 0 again.",
        "Counters fell back {n} times: their processes began anew, and they are counted from 0 again.",
    ),
    "new_series": (
        "One event that a new series began with is left out, since nobody knows when it happened.",
        "{n} events that new series began with are left out, since nobody knows when they happened.",
    ),
    "out_of_range": (
        "One value was impossible (a share outside 0 to 1, or a negative count) and is held at the nearest possible.",
        "{n} values were impossible (shares outside 0 to 1, or negative counts) and are held at the nearest possible.",
    ),
}


def met(odd: Odd, start: int, end: int) -> Note | None:
    """The note on what was met in start <= t < end; None when nothing was."""
    i, j = np.searchsorted(odd.at, (start, end))
    count = float(odd.count[i:j].sum())
    if count <= 0:
        return None
    one, many = _MET[odd.kind]
    return Note(odd.kind, one if count == 1 else many.format(n=number(count)), count, len(np.unique(odd.at[i:j])))


def good_over_total(counts: Minutes) -> Note | None:
    good, valid = float(counts.good.sum()), float(counts.valid.sum())
    if not (good > valid * (1 + SLACK) or good < -valid * SLACK or (valid == 0 and good != 0)):
        return None
    wrong = (counts.good > counts.valid * (1 + SLACK)) | (counts.good < -counts.valid * SLACK)
    text = "Beware: the spec counts more good or bad than total; its filters do not fit together."
    return Note("good_over_total", text, max(good - valid, -good), int(wrong.sum()))


def unmeasured(counts: Minutes, noun: str) -> Note | None:
    count = float(counts.unmeasured.sum())
    if count <= 0:
        return None
    minutes = int((counts.unmeasured > 0).sum())
    return Note("unmeasured", f"{number(count)} {noun} could not be measured and are left out.", count, minutes)


def gap(at: NDArray[np.int64], *, regular: bool) -> Note | None:
    """Time without data between the first and the last minute `at` of the window.

    Samples come regularly, so each missing minute counts (`regular`). Rows come when something happens: only a quiet
    that is out of all proportion to the others is called a gap.
    """
    if len(at) < 2 or (not regular and len(at) < _ENOUGH):
        return None
    quiet = np.diff(at) - 1
    shortest = 1.0 if regular else max(_SHORTEST, _LONGER * float(np.percentile(quiet, 99.9)) + 1)
    gaps = quiet[quiet >= shortest]
    if not len(gaps):
        return None
    minutes, what = int(gaps.sum()), "samples" if regular else "rows"
    often = "" if len(gaps) == 1 else f" in {len(gaps):,} stretches"
    text = f"There are no {what} at all for {lasted(minutes)}{often}: that is no data, neither good nor bad."
    return Note("gap", text, float(len(gaps)), minutes)


def late_data(newest: int | None, end: int, late_after: int) -> Note | None:
    """`newest`: minute of the newest row."""
    if newest is None or end - newest - 1 < max(1, late_after):
        return None
    minutes = end - newest - 1
    text = f"The newest row is {lasted(minutes)} older than the end: what happened since is not in these numbers."
    return Note("late_data", text, 1.0, minutes)


def incomplete_end(end: int, now: int, delay: int) -> Note | None:
    minutes = min(delay, delay - (now - end))
    if minutes <= 0:
        return None
    what = "minute" if minutes == 1 else f"{minutes} minutes"
    return Note("incomplete_end", f"Rows of the last {what} may still arrive.", float(minutes), minutes)


def sampled(counts: Minutes, noun: str) -> Note | None:
    valid, rows = float(counts.valid.sum()), float(counts.rows.sum())
    if valid <= 0 or abs(float(counts.squares.sum()) - valid) <= SLACK * valid:
        return None
    text = f"{number(rows)} rows stand for {number(valid)} {noun} (sampled); the interval goes by the rows."
    return Note("sampled", text, rows, 0)


def few_events(low: float | None, high: float | None, part: float, size: float, noun: str) -> Note | None:
    if low is None or high is None or high - low <= part:
        return None
    from pitchey_slo.slo.words import percent

    text = (
        f"With so few {noun} the truth may lie anywhere from {percent(low, 2)} to {percent(high, 2)}, which is wider "
        f"than the whole budget of {percent(part, 2)}."
    )
    return Note("few_events", text, size, 0)


def corrected(count: int, minutes: int, sliced: bool) -> Note | None:
    if not count:
        return None
    what = "A correction covers" if count == 1 else f"{count} corrections cover"
    done = "slices inside count as good" if sliced else "what happened then is left out"
    return Note("corrected", f"{what} {lasted(minutes)} of the window: {done}.", float(count), minutes)


def number(value: float) -> str:
    """`4,100`, and one decimal for small uneven counts."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"


def lasted(minutes: int) -> str:
    """
    >>> lasted(1), lasted(37), lasted(200), lasted(4320)
    ('1 minute', '37 minutes', '3 h 20 min', '3 days')
    """
    if minutes < 60:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days and not hours and not rest:
        return "1 day" if days == 1 else f"{days:,} days"
    parts = [f"{days:,} d" if days else "", f"{hours} h" if hours else "", f"{rest} min" if rest else ""]
    return " ".join(p for p in parts if p)
