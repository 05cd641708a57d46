"""Definitions and rows for the tests of dashboards."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

from pitchey_slo import board
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.store import Store

WIDGET = """\
title: One
{variables}rows:
  - title: Row
    widgets:
      - id: one
        type: {type}
        title: One
        {rest}
"""


def text_of(rest: str, *, type: str = "line", variables: str = "") -> str:  # noqa: A002  # the key's name
    """A dashboard of one widget, whose other keys are `rest`."""
    return WIDGET.format(type=type, rest=rest.replace("\n", "\n        "), variables=variables)


def defined(rest: str, **more: str) -> board.Definition:
    return board.read(text_of(rest, **more), "one.yml", name="one")


@functools.lru_cache(maxsize=2)  # a reader takes a moment to open
def source_of(store: Store) -> board.Source:
    """What the server asks: hot and lake."""
    scan = StoreScan(store)
    return board.Source(scan, scan.rows, store.query)


def asked(definition: board.Definition, store: Store, now: datetime, **view: Any) -> dict[str, Any]:
    """The data of the only widget."""
    told = board.data(definition, source_of(store), board.view_of(definition, now, **view))
    (widget,) = told["widgets"].values()
    found: dict[str, Any] = widget
    return found
