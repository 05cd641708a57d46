"""What the requests mean to the business: each event belongs to one request and shares its time, user and trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pitchey_slo.demo.places import PLACES
from pitchey_slo.demo.routes import NUMBER
from pitchey_slo.demo.text import pick
from pitchey_slo.tables import BUSINESS_EVENTS


@dataclass(frozen=True)
class Meaning:
    """A request to `route` that succeeds (or, for `fails`, is refused for lack of money or breaks) is one `event`;
    `amount` is the median of its value, log-normal, in the currency of the place."""

    route: str
    event: str
    amount: float | None = None
    fails: bool = False


MEANINGS: Final = (
    Meaning("GET /api/pitches/:id", "pitch_viewed"),
    Meaning("POST /api/auth/signup", "signup_completed"),
    Meaning("POST /api/pitches", "pitch_created"),
    Meaning("POST /api/ndas/:id/request", "nda_requested"),
    Meaning("POST /api/ndas/:id/sign", "nda_signed"),
    Meaning("POST /api/investments", "investment_requested", 25_000),
    Meaning("POST /api/payments", "payment_succeeded", 39),
    Meaning("POST /api/payments", "payment_failed", 39, fails=True),
)
_EVENTS: Final = [m.event for m in MEANINGS]
_AMOUNT: Final = np.array([m.amount or np.nan for m in MEANINGS])
#: Value of one unit of the amount in each currency, so that a yen payment looks like one.
_RATE: Final = {
    "GBP": 1.0,
    "EUR": 1.2,
    "USD": 1.3,
    "CAD": 1.75,
    "BRL": 7.0,
    "INR": 110.0,
    "SGD": 1.7,
    "JPY": 195.0,
    "AUD": 1.95,
}
_GENRES: Final = ("drama", "comedy", "thriller", "documentary", "horror", "animation", "science fiction", "romance")
_PROPERTIES: Final = [f'{{"genre":"{g}"}}' for g in _GENRES]


def events(rng: np.random.Generator, requests: pa.Table, route: NDArray[np.int8], place: NDArray[np.int8]) -> pa.Table:
    """The business events of `requests` (with the numbers of their routes and places): rows of
    `BUSINESS_EVENTS.schema` in the order of time. A view counts when we know the viewer."""
    status = requests["status"].to_numpy()
    meaning = np.full(len(route), -1, dtype=np.int8)
    for i, m in enumerate(MEANINGS):
        mine = route == NUMBER[m.route]
        meaning[mine & ((status == 402) | (status >= 500) if m.fails else (status >= 200) & (status < 300))] = i
    meaning[requests["user_hash"].is_null().to_numpy()] = -1
    rows = np.flatnonzero(meaning >= 0)
    what, where = meaning[rows], place[rows]
    index = pa.array(rows)
    kept = {
        name: requests[name].take(index).combine_chunks()
        for name in ("ts", "user_hash", "trace_id", "source", "event_id")
    }
    rate = np.array([_RATE[p.currency] for p in PLACES])[where]
    value = np.rint(_AMOUNT[what] * rate * np.exp(rng.standard_normal(len(rows)) * 0.6) * 100) / 100
    free = np.isnan(_AMOUNT)[what]
    columns = kept | {
        "event": pick(_EVENTS, what),
        "location": pick([p.country for p in PLACES], where),
        "value": pa.array(value, mask=free),
        "currency": pick([p.currency for p in PLACES], where, free),
        "properties": pick(
            _PROPERTIES, rng.integers(0, len(_PROPERTIES), len(rows)), what == _EVENTS.index("signup_completed")
        ),
        "sample_interval": pa.array(np.ones(len(rows))),
        "event_id": pc.binary_join_element_wise(kept["event_id"], pa.scalar("b"), "-"),
    }
    return pa.table([columns[name] for name in BUSINESS_EVENTS.names], schema=BUSINESS_EVENTS.schema)
