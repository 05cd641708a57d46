"""Places on the map: airport codes (how edge locations are named) and ISO 3166 countries, with latitude and longitude.

`places.csv` holds them; a place that is not there is listed without a position rather than left out.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """`code` is an airport (three letters) or a country (two); degrees, north and east positive."""

    code: str
    name: str
    country: str
    lat: float
    lon: float


@functools.cache
def known() -> dict[str, Place]:
    with Path(__file__).with_name("places.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {r["code"]: Place(r["code"], r["name"], r["country"], float(r["lat"]), float(r["lon"])) for r in rows}


def places_of(found: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    """[{"location", "name", "country", "lat", "lon", "value", "text"}], the largest first."""
    told = []
    for code, value in found:
        place = known().get(code.upper())
        told.append(
            {
                "location": code,
                "name": place.name if place else code,
                "country": place.country if place else None,
                "lat": place.lat if place else None,
                "lon": place.lon if place else None,
                "value": value,
                "text": f"{place.name} ({code})" if place else code,
            }
        )
    return sorted(told, key=lambda each: (-each["value"], each["location"]))
