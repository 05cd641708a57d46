"""Traffic as it happens, for a server to be watched under."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np
import pyarrow as pa

from pitchey_slo.demo import business, plan, traffic
from pitchey_slo.demo.answers import serve
from pitchey_slo.demo.simulate import population
from pitchey_slo.errors import ConfigError


def live(
    *, seed: int = 7, rate: float, start: datetime, clock: Callable[[], datetime]
) -> Iterator[dict[str, pa.Table]]:
    """`{"requests": rows, "business_events": rows}` each time it is asked: what happened since the last time (at
    first since `start`) until `clock()`, `rate` requests per second spread over the places as at this hour; empty
    tables when it is too soon.

    Never ends: the caller paces itself and stops. All is well in this traffic. The same seed, start and clock give the
    same rows; event ids carry seed and start. Raises ConfigError for a rate that is not above 0.
    """
    if not rate > 0:
        raise ConfigError(f"{rate} per second", key="rate", hint="a number above 0, such as 200")
    return _run(seed, rate, start, clock)


def _run(seed: int, rate: float, start: datetime, clock: Callable[[], datetime]) -> Iterator[dict[str, pa.Table]]:
    people = population(seed, int(rate * 86_400))
    prefix = f"live-{seed}-{start:%Y%m%dT%H%M%S}-"
    last, sent, turn = plan.microseconds(start), 0, 0
    begin = last
    while True:
        now = max(last, plan.microseconds(clock()))
        due = int(rate * (now - begin) / 1e6) - sent
        rng = np.random.default_rng([seed, 5, turn])
        weights = traffic.now(plan.moment(now))
        drawn = rng.multinomial(due, weights / weights.sum())[None, :]
        arrivals = traffic.arrive(rng, last, max(1_000, now - last), drawn, ())
        rows = serve(rng, arrivals, (), people, source=plan.SOURCE, prefix=prefix, first=sent)
        yield {"requests": rows, "business_events": business.events(rng, rows, arrivals.route, arrivals.place)}
        last, sent, turn = now, sent + due, turn + 1
