"""The business in numbers: who came, what they did, what came of it, each against the time of the same length before.

Counts weigh `sample_interval` and carry a 95 % interval for what chance alone would do; people are distinct user hashes
and carry none: of a sampled stream only those whose rows were kept are seen. A change is a ratio of two counts with its
interval; it is None where the time before is not wholly in the data. Money is summed by currency and never across.
What the dashboards show too is asked with the same SQL (`store/board_questions.py`) and the same conditions
(`promql/derived_metrics.py`), so it is the same number.

This room does not round, does not convert currencies, and does not say who somebody is.
"""

from pitchey_slo.analyse.business.amounts import Amount, Interval, Versus, ratio, share
from pitchey_slo.analyse.business.ask import business
from pitchey_slo.analyse.business.model import Business, Feature, Place, Step, Wait, Week

__all__ = [
    "Amount",
    "Business",
    "Feature",
    "Interval",
    "Place",
    "Step",
    "Versus",
    "Wait",
    "Week",
    "business",
    "ratio",
    "share",
]
