"""The workbench itself: its store takes rows, the lake follows, the disk has room, rules are evaluated in time.

What is wrong here also raises alerts of the watchdog (docs/alerts.md), which needs no rule; this is what a status page
and an orchestrator see.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from pitchey_slo.probe.health.model import CheckKind, Context, Measure, Seen, Trouble


@dataclass(frozen=True)
class OwnHouse:
    """Asks whoever runs the check; an agent elsewhere has no workbench to look at."""

    async def look(self, context: Context) -> Seen:
        if context.facts is None:
            raise Trouble("probe_error", "there is no workbench in this process; the server looks at itself")
        facts = await asyncio.to_thread(context.facts)
        named = {
            "lake_lag_seconds": facts.lake_lag_seconds,
            "queue_share": facts.queue_share,
            "disk_floors": None
            if facts.disk_free_bytes is None or not facts.disk_floor_bytes
            else facts.disk_free_bytes / facts.disk_floor_bytes,
            "disk_free_bytes": facts.disk_free_bytes,
            "rules_late_seconds": facts.rules_late_seconds,
            "memory_used_bytes": facts.memory_used_bytes,
            "memory_limit_bytes": facts.memory_limit_bytes,
            "memory_share": None
            if facts.memory_used_bytes is None or not facts.memory_limit_bytes
            else facts.memory_used_bytes / facts.memory_limit_bytes,
        }
        values = {name: value for name, value in named.items() if value is not None}
        if not facts.ready:
            raise Trouble("assertion", f"the store takes nothing: {facts.reason or 'not open'}", values=values)
        return Seen(values, notes=facts.problems)


WORKBENCH: Final = CheckKind(
    "workbench",
    OwnHouse,
    "this workbench: its store, lake, disk, memory and rules",
    "workbench",
    keys={},
    measures={
        "lake_lag_seconds": Measure("s", "the lag of the lake", 120.0, 1_800.0),
        "queue_share": Measure("share", "the share of the write queue in use", 0.5, 0.9),
        "disk_floors": Measure("", "free disk space in multiples of the floor", 2.0, 1.0, low=True),
        "disk_free_bytes": Measure("B", "free disk space"),
        "rules_late_seconds": Measure("s", "the lateness of one evaluation in a hundred", 5.0, 60.0),
        "memory_share": Measure("share", "the share of memory in use", 0.85, 0.97),
        "memory_used_bytes": Measure("B", "memory in use", series="pitchey_memory_used_bytes"),
        "memory_limit_bytes": Measure("B", "memory allowed", series="pitchey_memory_limit_bytes"),
    },
)
