"""Series that are hard in one way each; five minutes apart unless they say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINUTE = 60_000
BEGIN = 1_772_323_200_000  # 2026-03-01T00:00:00Z


@dataclass(frozen=True)
class Series:
    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]


def fives(n: int, step: int = 5 * MINUTE) -> NDArray[np.int64]:
    return BEGIN + step * np.arange(n, dtype=np.int64)


def noise(n: int = 3000, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(10.0, 1.0, n)


def daily(n: int = 3000, step: int = 5 * MINUTE, seed: int = 2) -> NDArray[np.float64]:
    """A daily wave with noise, sampled every `step`."""
    phase = 2 * np.pi * (np.arange(n) * step % 86_400_000) / 86_400_000
    return 100 + 30 * np.sin(phase) + np.random.default_rng(seed).normal(0, 3, n)


def spiked() -> NDArray[np.float64]:
    values = noise()
    values[2000:2004] += 15
    return values


def stepped() -> NDArray[np.float64]:
    values = noise()
    values[2000:] += 6
    return values


def with_gaps() -> NDArray[np.float64]:
    values = noise()
    values[np.random.default_rng(3).random(len(values)) < 0.2] = np.nan
    values[1000:1400] = np.nan
    values[1500] = np.inf
    return values


def constant_then_not() -> NDArray[np.float64]:
    values = np.full(2000, 0.1 + 0.2)
    values[1500:] = 0.5
    return values


def counter() -> NDArray[np.float64]:
    """Requests counted, twice started from zero."""
    rises = np.random.default_rng(4).poisson(50, 3000).astype(float)
    values = np.cumsum(rises)
    for start in (900, 2100):
        values[start:] -= values[start - 1]
    return values


def irregular() -> NDArray[np.int64]:
    gaps = np.random.default_rng(5).integers(1_000, 120_000, 3000)
    gaps[1200] = 9 * 3_600_000
    return BEGIN + np.cumsum(gaps)


def all_series() -> list[Series]:
    t = fives(3000)
    return [
        Series("noise", t, noise()),
        Series("spiked", t, spiked()),
        Series("stepped", t, stepped()),
        Series("with gaps", t, with_gaps()),
        Series("daily", t, daily()),
        Series("constant then not", t[:2000], constant_then_not()),
        Series("counter", t, counter()),
        Series("irregular", irregular(), noise(seed=6)),
        Series("huge", t, noise() * 1e300),
        Series("huge both ways", t, np.where(np.arange(3000) % 500 == 499, -1e308, 1e308)),
        Series("tiny", t, noise() * 1e-310),
        Series("few levels", t, np.random.default_rng(7).poisson(0.3, 3000).astype(float)),
        Series("all missing", t, np.full(3000, np.nan)),
        Series("short", t[:40], noise()[:40]),
    ]
