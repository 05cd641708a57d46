"""For how many a sampled span or record stands.

`tracestate: ot=th:<hex>` is the rejection threshold, up to 14 hex digits of 56 bits, zeros to the right left out: with
threshold T a share of (2^56 - T) / 2^56 is kept (OpenTelemetry specification, "TraceState: Probability Sampling"). An
attribute says it otherwise: `sampling.threshold` (the Collector's sampler, on log records), `sampling.rate` and
`SampleRate` (one of so many, or below 1 the share itself), `sampling.probability` (the share).

Cloudflare says nothing of its head sampling in what it sends; a header of the delivery says it instead.
"""

from __future__ import annotations

import re
from typing import Any, Final

from pitchey_slo.collect.otlp.keys import number
from pitchey_slo.collect.otlp.records import Attributes
from pitchey_slo.errors import CollectError

#: Request header: the share that was kept, as in wrangler's `head_sampling_rate`.
HEADER: Final = "x-head-sampling-rate"
#: A row may stand for so many (tables/given.py).
MOST: Final = 1e9

_HEX: Final = re.compile(r"[0-9a-f]{1,14}")


def head_rate(text: str | None) -> float:
    """The header's share; 1 without one. Raises CollectError for what is no share."""
    if text is None:
        return 1.0
    share = number(text.strip())
    if share is None or not 1 / MOST <= share <= 1:
        raise CollectError(
            f"{HEADER}: {text[:40]!r} is no share; give the head_sampling_rate, such as 0.1", reason="bad_parameter"
        )
    return share


def interval(attributes: Attributes, trace_state: str, head: float) -> float:
    """How many this one stands for, at least 1."""
    share = _state(trace_state) or _attribute(attributes) or head
    return min(max(1.0 / share, 1.0), MOST)


def _state(text: str) -> float | None:
    for member in text.split(","):
        key, _, value = member.strip().partition("=")
        if key == "ot":
            found = dict(part.partition(":")[::2] for part in value.split(";"))
            return threshold(found["th"]) if "th" in found else None
    return None


def threshold(text: str) -> float | None:
    """The share kept by a threshold; None when it is none.

    >>> threshold("8"), threshold("c"), threshold("fd70a"), threshold("0"), threshold("x")
    (0.5, 0.25, 0.010000228881835938, 1.0, None)
    """
    if not _HEX.fullmatch(text):
        return None
    return (2**56 - int(text.ljust(14, "0"), 16)) / 2**56


def _attribute(attributes: Attributes) -> float | None:
    given: Any = attributes.get("sampling.threshold")
    if isinstance(given, str) and (share := threshold(given)):
        return share
    for key in ("sampling.rate", "SampleRate"):
        rate = number(attributes.get(key))
        if rate is not None and rate > 0:
            return 1 / rate if rate >= 1 else rate
    share = number(attributes.get("sampling.probability"))
    return share if share is not None and 0 < share <= 1 else None
