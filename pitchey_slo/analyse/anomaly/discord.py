"""Discord: has a stretch of this shape come before? A matrix profile that looks only back, in bounded memory.

The last `length` samples are averaged into eight pieces, centred and divided by their standard deviation: what is left
is shape. The oddness is the distance to the most similar of up to 512 earlier shapes, one of which is kept for every
piece, the oldest forgotten; a shape that overlaps the sample's own is not compared. Stretches that vary by less than a
tenth of the usual are not stretched beyond that, so that noise on a flat line has no shape. Finds a wrong rhythm and a
missing peak, which no level betrays.

    C.-C. M. Yeh et al., Matrix profile I (2016); E. Keogh, J. Lin, A. Fu, HOT SAX (2005); a profile that only looks
    back: stumpy's left matrix profile
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pitchey_slo.analyse.anomaly.detector import Detector
from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.analyse.anomaly.windows import Tail, windows

PIECES: Final = 8
MOST: Final = 512
LEAST: Final = 32
FLAT: Final = 0.1
#: Distances lie between 0 and 6; rarity.py tells numbers apart that differ by an eighth of 1 + their size.
FINE: Final = 16.0
#: Weight of a new shape in the usual standard deviation.
NEWEST: Final = 1 / 64


@dataclass(frozen=True, kw_only=True)
class Discord(Detector):
    """`length`: samples of a shape, rounded up to a multiple of eight; about that of what should be found."""

    length: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("length", PIECES)

    def machine(self) -> DiscordMachine:
        return DiscordMachine(-(-int(self.length) // PIECES) * PIECES)


class DiscordMachine:
    """Shapes are kept, and the library is extended, at whole multiples of a piece."""

    def __init__(self, length: int) -> None:
        self._length, self._piece = length, length // PIECES
        self._tail = Tail(length)
        self._seen = 0
        self._shapes = np.zeros((0, PIECES))  # oldest first; the last eight overlap the present
        self._usual = 0.0

    def advance(self, _times: Times, values: Floats) -> Floats:
        n, known = len(values), self._tail.advance(values)
        pieces = windows(known, self._piece, n + self._length - self._piece).mean(axis=1)
        ends = np.arange(n)[:, None] + np.arange(0, self._length, self._piece)[None, :]
        points = pieces[ends]
        odd = np.empty(n)
        first = 0
        while first < n:
            last = min(n, first + self._piece - self._seen % self._piece)
            odd[first:last] = self._stretch(points[first:last])
            first = last
        return odd

    def _stretch(self, points: Floats) -> Floats:
        shapes, deviations = self._shaped(points)
        self._seen += len(points)
        library = self._shapes[: len(self._shapes) - PIECES + 1] if len(self._shapes) >= PIECES else self._shapes[:0]
        if len(library) < LEAST:
            odd = np.full(len(points), np.nan)
        else:
            squares = (shapes**2).sum(axis=1)[:, None] + (library**2).sum(axis=1)[None, :] - 2 * shapes @ library.T
            odd = FINE * np.sqrt(np.maximum(squares.min(axis=1), 0.0))
        if self._seen % self._piece == 0 and self._seen >= self._length:
            self._shapes = np.concatenate([self._shapes[-(MOST - 1) :], shapes[-1:]])
            self._usual += (float(deviations[-1]) - self._usual) * max(NEWEST, 1 / len(self._shapes))
        return odd

    def _shaped(self, points: Floats) -> tuple[Floats, Floats]:
        away = points - points.mean(axis=1)[:, None]
        deviations = np.sqrt((away**2).mean(axis=1))
        least = np.maximum(1e-9 * np.abs(points).max(axis=1), max(FLAT * self._usual, float(np.finfo(float).tiny)))
        return away / np.maximum(deviations, least)[:, None], deviations
