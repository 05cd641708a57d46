"""The daily look: what fired and for what, who looked from outside, what arrived, what is kept, what was spent.

`firings` sets the alerts that really fired beside the labelled incidents, with the rule of the backtest: one without an
incident was false, or its incident is not labelled yet. `arrivals` says per source how steadily rows came, against the
week before: a gap is the longest time without a row, in seconds. `kept` compares the oldest row of each table with how
long it shall be kept. `spent` is what one day took of an objective's whole budget, so that 0.2 five days in a row is
the end of it. Nothing known is None, never 0.

This room does not decide what is urgent (the report does) and changes nothing.
"""

from pitchey_slo.analyse.daily.fired import Fired, firings
from pitchey_slo.analyse.daily.sources import (
    Arrival,
    Kept,
    Refused,
    Silent,
    Target,
    arrivals,
    kept,
    refused,
    silent,
    targets,
)
from pitchey_slo.analyse.daily.spent import Spent, spent

__all__ = [
    "Arrival",
    "Fired",
    "Kept",
    "Refused",
    "Silent",
    "Spent",
    "Target",
    "arrivals",
    "firings",
    "kept",
    "refused",
    "silent",
    "spent",
    "targets",
]
