"""What goes wrong in live traffic: one incident soon after the start, then another now and then, for ever.

Of the kinds of `incidents.py` those that begin at once and are over in minutes: whoever watches sees the whole life of
an alert. A flapping provider and a slow leak take hours; they are in the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pitchey_slo.demo.incidents import RECIPES, SECOND, SILENT, Recipe, Trouble
from pitchey_slo.demo.places import PLACES
from pitchey_slo.demo.plan import SOURCE, Deployment, Plan, deployments, incidents, microseconds
from pitchey_slo.tables import DEPLOYMENTS

#: Seconds from the start to the first incident, how long incidents are (the silent one is longer: to see that less
#: happens than should takes time), and how long all is well in between.
FIRST: Final = 20.0
LENGTH: Final = (300, 420)
SILENT_LENGTH: Final = (720, 900)
PAUSE: Final = (480, 720)
KINDS: Final = ("error_burst", "slow_database", "regional_outage", "bad_deployment", "silent_drop")
#: Stronger than in the history, since minutes must show it.
_HARDLY: Final = replace(SILENT, lost=0.95, title="Hardly a pitch opens, nothing fails")
_LOUD: Final = replace(RECIPES[0], errors=0.95)
_QUICK: Final = (_LOUD, *(r for r in RECIPES[1:] if r.kind in KINDS), _HARDLY)
#: Places whose outage is a good part of all traffic.
_LARGEST: Final = sorted(range(len(PLACES)), key=lambda i: -PLACES[i].share)[:3]


def upcoming(seed: int, start: datetime, first: float = FIRST) -> Iterator[Trouble]:
    """Incidents in order of time, never two at once. The first is one that everybody notices, the second one that no
    fixed threshold does; the same seed and start give the same ones."""
    rng = np.random.default_rng([seed, 7])
    begin = microseconds(start) + round(first * SECOND)
    recipe = _QUICK[0]
    number = 0
    while True:
        low, high = SILENT_LENGTH if recipe is _HARDLY else LENGTH
        length = int(rng.integers(low, high + 1)) * SECOND
        number += 1
        yield _trouble(rng, recipe, begin, begin + length, number)
        begin += length + int(rng.integers(PAUSE[0], PAUSE[1] + 1)) * SECOND
        recipe = _HARDLY if number == 1 else _QUICK[int(rng.integers(len(_QUICK)))]


def _trouble(rng: np.random.Generator, recipe: Recipe, begin: int, end: int, number: int) -> Trouble:
    location = PLACES[int(rng.choice(_LARGEST))].code if recipe.regional else None
    words = {"location": location, "version": f"v4.{number}.0"}
    return Trouble(
        recipe.kind,
        begin,
        end,
        recipe.routes,
        location,
        recipe.errors,
        recipe.codes,
        recipe.slower,
        recipe.regional,
        recipe.severity,
        recipe.title.format(**words),
        recipe.description.format(**words),
        recipe.lost,
    )


def label(trouble: Trouble, *, over: bool, source: str = SOURCE) -> pa.Table:
    """Its row of the register of incidents, while it lasts and when it is over."""
    table = incidents(_plan(trouble))
    row: dict[str, Any] = table.to_pylist()[0]
    row |= {"id": f"live-{row['started_at']:%Y%m%dT%H%M%S}-{trouble.kind.replace('_', '-')}", "source": source}
    row |= {} if over else {"ended_at": None, "updated_at": row["started_at"], "description": None}
    return pa.Table.from_pylist([row], schema=table.schema)


def releases(trouble: Trouble, *, over: bool) -> pa.Table:
    """The deployment that broke it, or the one that rolled it back; no row for other kinds."""
    if trouble.kind != "bad_deployment":
        return DEPLOYMENTS.schema.empty_table()
    version = next(word for word in trouble.description.split() if word.startswith("v4."))
    at = trouble.end if over else trouble.start
    made = (
        Deployment(at, f"{version.rpartition('.')[0]}.9", f"Roll back of {version}", "on call")
        if over
        else Deployment(at, version, f"Release {version}", "release train")
    )
    table = deployments(_plan(trouble, (made,)))
    row = table.to_pylist()[0] | {"id": f"live-{made.version}-{at // SECOND}"}
    return pa.Table.from_pylist([row], schema=table.schema)


def _plan(trouble: Trouble, made: tuple[Deployment, ...] = ()) -> Plan:
    """A plan with nothing else in it."""
    none = np.zeros((0, len(PLACES)))
    return Plan(0, 0, trouble.start, trouble.end, none, (trouble,), (), (), made)
