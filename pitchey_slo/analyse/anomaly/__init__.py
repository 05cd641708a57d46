"""Anomaly detection: how unusual each sample of a series is, given only the samples before it.

`score` gives every sample a number in [0, 1] by one of `DETECTORS`; `detector(name).scorer()` gives the same numbers
live, one `step` after another, with memory that does not grow. A score is a calibrated rarity (see rarity.py): 0.99
was exceeded by one in a hundred of the detector's own past judgements on this series, 0.9999 by one in ten thousand.
So a threshold means the same for every detector and unit, and says how often it fires on what is normal: at one sample
a minute, 0.999 fires about ten times a week, 0.9998 twice. NaN means that no judgement is possible: the value is
missing, or too few came before it.

This room does not choose the series, store the scores or alert (a scorer and rules do that), and it does not say
whether an anomaly is bad: a sale is as unusual as an outage.
"""

from pitchey_slo.analyse.anomaly.model import Scorer, Scores
from pitchey_slo.analyse.anomaly.registry import DETECTORS, detector
from pitchey_slo.analyse.anomaly.run import score

__all__ = ["DETECTORS", "Scorer", "Scores", "detector", "score"]
