"""Findings as JSON can carry them: the same names, nothing rounded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """`value` as JSON can carry it: times as ISO 8601 with Z, arrays as lists, NaN and infinities as None.

    >>> plain({"sli": float("nan"), "time": np.array(["2026-03-01"], dtype="datetime64[us]")})
    {'sli': None, 'time': ['2026-03-01T00:00:00.000000Z']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "M":
            return [None if np.isnat(t) else f"{t}Z" for t in value]
        return [plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


class AsDict:
    """Gives a finding its JSON form: the same names, nothing rounded."""

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(self)
        return found
