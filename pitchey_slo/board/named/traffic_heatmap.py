"""When people come: mean requests per hour by weekday and hour of the day (UTC), over whole hours of the last weeks.

`columns` are hours, `buckets` weekdays. An hour of a weekday that was not seen yet is None; sampled requests weigh what
they stand for.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pitchey_slo.board.named.registry import Argument, Asked, Data, Named
from pitchey_slo.board.shapes import numbers
from pitchey_slo.promql import evaluate

_HOUR_MS: Final = 3_600_000
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: 1 January 1970 was a Thursday.
_FIRST_WEEKDAY: Final = 3


def traffic_heatmap(asked: Asked) -> Data:
    end = int(min(asked.now.timestamp() * 1_000, asked.span.end)) // _HOUR_MS * _HOUR_MS
    start = end - int(asked.number("days")) * 24 * _HOUR_MS
    found = evaluate(
        "sum(increase(pitchey_http_requests_total[1h]))", asked.source.scan, start + _HOUR_MS, end, _HOUR_MS
    )
    total, seen = np.zeros((7, 24)), np.zeros((7, 24))
    if len(found):
        hour = found.times // _HOUR_MS - 1  # the hour before the step
        place = ((hour // 24 + _FIRST_WEEKDAY) % 7, hour % 24)
        there = found.present[0]
        np.add.at(total, (place[0][there], place[1][there]), found.values[0][there])
        np.add.at(seen, (place[0][there], place[1][there]), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / seen
    return {
        "times": [],
        "columns": [f"{hour:02}" for hour in range(24)],
        "buckets": list(_DAYS),
        "values": [numbers(day) for day in mean],
    }


QUESTION: Final = Named(
    "traffic_heatmap",
    "heatmap",
    "mean requests per hour by weekday and hour of the day",
    traffic_heatmap,
    {"days": Argument("over so many days before now", "number", 28)},
    keep=300.0,
)
