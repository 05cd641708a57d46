"""Anomaly detection: how unusual each sample of a series is, given only the samples before it.

`score` gives every sample a number in [0, 1] by one of `DETECTORS`; `detector(name).scorer()` gives the same numbers
live, one `step` after another, with memory that does not grow. A score is a rarity: 0.99 is exceeded by about one
sample in a hundred of what is normal, 0.9999 by one in ten thousand (a week of minutes). Most detectors learn that from
their own past judgements on the series (rarity.py); novelty, which leads the default ensemble, is calibrated on noise
of many kinds, so that a quiet series is not made to alarm. Either way a threshold means the same for every unit. NaN
means that no judgement is possible: the value is missing, or too few came before it.

This room does not choose the series, store the scores or alert (a scorer and rules do that), and it does not say
whether an anomaly is bad: a sale is as unusual as an outage.
"""

from pitchey_slo.analyse.anomaly.model import Scorer, Scores
from pitchey_slo.analyse.anomaly.registry import DETECTORS, detector
from pitchey_slo.analyse.anomaly.run import score

__all__ = ["DETECTORS", "Scorer", "Scores", "detector", "score"]
