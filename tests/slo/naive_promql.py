"""Slow and obvious: SLIs that are PromQL, counted by a loop over samples and minutes, with no query and no NumPy."""

from __future__ import annotations

import math

#: (time in ms, value) in order of time
Samples = list[tuple[int, float]]


def increase(samples: Samples, start: int, end: int) -> dict[int, float]:
    """What one counter counted in each minute start <= m < end; only minutes that lie between two of its samples (at
    most five minutes apart) or have one are listed."""
    found: dict[int, float] = {}
    before: tuple[int, float] | None = None
    for ts, value in samples:
        if not math.isfinite(value):
            continue
        minute = (ts - 1) // 60_000
        if before is not None and start <= minute < end:
            step = value - before[1] if value >= before[1] else value
            found[minute] = found.get(minute, 0.0) + step
            if ts - before[0] <= 300_000:
                for m in range(max(start, before[0] // 60_000), minute):
                    found.setdefault(m, 0.0)
        before = (ts, value)
    return found


def resets(samples: Samples, start: int, end: int) -> int:
    found, before = 0, None
    for ts, value in samples:
        if not math.isfinite(value):
            continue
        if before is not None and value < before and start <= (ts - 1) // 60_000 < end:
            found += 1
        before = value
    return found


def added(parts: list[dict[int, float]]) -> dict[int, float]:
    out: dict[int, float] = {}
    for part in parts:
        for minute, value in part.items():
            out[minute] = out.get(minute, 0.0) + value
    return out


def last_of_minute(samples: Samples, minute: int) -> float | None:
    """The newest sample in (m, m + 60 s]."""
    inside = [value for ts, value in samples if minute * 60_000 < ts <= (minute + 1) * 60_000]
    return inside[-1] if inside else None
