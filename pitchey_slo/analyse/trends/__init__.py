"""The last seven days against the weeks before: traffic, failures, speed by route, and what the platform's parts say.

A day is the unit, since requests of one day have too much in common to count as independent looks. Each of the seven
is set beside the mean of the same weekday in the weeks before; the mean of these seven differences has a t interval
(95 %, at most 6 degrees of freedom). A change *moved* when, after Benjamini and Hochberg's correction for how many were
looked at, one in twenty of those told would be chance, when it is at least 5 %, and when no earlier week was as far
out. Quantiles are exact within a day; a week's is the geometric mean of its days', which one bad day cannot carry.

What it does not do: it forecasts nothing, since four weeks do not carry a forecast, and it names no cause. A day with
too few requests for a quantile has none; without a whole week before there is no comparison, which is None and not 0.
"""

from pitchey_slo.analyse.trends.compare import Trend, settle, trend
from pitchey_slo.analyse.trends.gather import SIGNALS, Route, Signal, Trends, trends

__all__ = ["SIGNALS", "Route", "Signal", "Trend", "Trends", "settle", "trend", "trends"]
