"""How sure a ratio is: the Wilson score interval, for weighted events too."""

from __future__ import annotations

import math

#: Two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054


def effective_size(weights: float, squares: float) -> float:
    """Kish's effective sample size, (sum of w)^2 / (sum of w^2).

    One row that stands for ten requests is one look at reality, not ten: 1,000 rows of weight 10 count as 1,000.
    With equal weights this is the number of rows. 0.0 without rows.

    Reference: L. Kish, Survey Sampling (1965), section 11.7.
    """
    return weights * weights / squares if squares > 0 else 0.0


def wilson(ratio: float, size: float, z: float = Z95) -> tuple[float, float]:
    """Low and high end of the Wilson score interval of a proportion.

    ratio   share of good ones, in [0, 1]
    size    number of independent looks, > 0; need not be whole (`effective_size`)
    z       normal quantile; the default gives 95 %

        (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

    Unlike p +- z sqrt(p(1-p)/n) it stays inside [0, 1] and is not empty at 0 % and 100 %: three good of three is
    "between 44 % and 100 %", not "100 % for sure". It treats rows as independent; failures come in bursts, so the
    truth is often wider. ValueError for a ratio outside [0, 1] or a size that is not positive.

    Reference: E. B. Wilson, JASA 22 (1927) 209; L. D. Brown, T. T. Cai, A. DasGupta, Statistical Science 16 (2001) 101.

    >>> low, high = wilson(1.0, 3)
    >>> round(low, 4), high
    (0.4385, 1.0)
    """
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"ratio {ratio} is outside [0, 1]")
    if not size > 0.0 or not math.isfinite(size):
        raise ValueError(f"size {size} is not a positive number")
    square = z * z / size
    middle = (ratio + square / 2) / (1 + square)
    half = z * math.sqrt(ratio * (1 - ratio) / size + square / (4 * size)) / (1 + square)
    low = 0.0 if ratio == 0.0 else max(0.0, middle - half)
    high = 1.0 if ratio == 1.0 else min(1.0, middle + half)
    return low, high
