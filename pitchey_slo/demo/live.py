"""Traffic as it happens, for a server to be watched under."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import numpy as np
import pyarrow as pa

from pitchey_slo.demo import business, lines, plan, traffic, trouble
from pitchey_slo.demo.answers import serve
from pitchey_slo.demo.incidents import Trouble
from pitchey_slo.demo.simulate import merge, population
from pitchey_slo.errors import ConfigError


def live(
    *,
    seed: int = 7,
    rate: float,
    start: datetime,
    clock: Callable[[], datetime],
    troubles: Iterable[Trouble] = (),
) -> Iterator[dict[str, pa.Table]]:
    """`{"requests": rows, "business_events": rows, "logs": rows}` each time it is asked: what happened since the last
    time (at first since `start`) until `clock()`, `rate` requests per second spread over the places as at this hour;
    empty tables when it is too soon.

    Never ends: the caller paces itself and stops. What goes wrong are `troubles` (of `trouble.upcoming`, in order of
    time, without end if need be); when one begins and when it is over its row of `incidents` comes too, and of
    `deployments` if one caused it. The same seed, start and clock give the same rows; event ids carry seed and start.
    Raises ConfigError for a rate that is not above 0.
    """
    if not rate > 0:
        raise ConfigError(f"{rate} per second", key="rate", hint="a number above 0, such as 200")
    return _run(seed, rate, start, clock, iter(troubles))


def _run(
    seed: int, rate: float, start: datetime, clock: Callable[[], datetime], troubles: Iterator[Trouble]
) -> Iterator[dict[str, pa.Table]]:
    people = population(seed, int(rate * 86_400))
    prefix = f"live-{seed}-{start:%Y%m%dT%H%M%S}-"
    last, sent, turn = plan.microseconds(start), 0, 0
    begin = last
    coming = next(troubles, None)
    lasting: list[Trouble] = []
    while True:
        now = max(last, plan.microseconds(clock()))
        due = int(rate * (now - begin) / 1e6) - sent
        rng = np.random.default_rng([seed, 5, turn])
        weights = traffic.now(plan.moment(now))
        drawn = rng.multinomial(due, weights / weights.sum())[None, :]
        arrivals = traffic.arrive(rng, last, max(1_000, now - last), drawn, ())
        begun = []
        while coming is not None and coming.start < now:
            begun.append(coming)
            coming = next(troubles, None)
        lasting += begun
        arrivals = traffic.divert(np.random.default_rng([seed, 9, turn]), arrivals, lasting)
        rows = serve(rng, arrivals, lasting, people, source=plan.SOURCE, prefix=prefix, first=sent)
        over = [t for t in lasting if t.end <= now]
        told = lines.lines(np.random.default_rng([seed, 12, turn]), rows, arrivals.route, lasting)
        yield {
            "requests": rows,
            "business_events": business.events(rng, rows, arrivals.route, arrivals.place),
            "logs": merge(told, lines.own(f"{prefix}{turn}-", lasting, (), last, now)),
            **_registers(begun, over),
        }
        lasting = [t for t in lasting if t.end > now]
        last, sent, turn = now, sent + due, turn + 1


def _registers(begun: Iterable[Trouble], over: Iterable[Trouble]) -> dict[str, pa.Table]:
    """Rows of the registers, if there are any."""
    told = [(t, False) for t in begun] + [(t, True) for t in over]
    labels = [trouble.label(t, over=ended) for t, ended in told]
    made = [rows for t, ended in told if len(rows := trouble.releases(t, over=ended))]
    return ({"incidents": pa.concat_tables(labels)} if labels else {}) | (
        {"deployments": pa.concat_tables(made)} if made else {}
    )
