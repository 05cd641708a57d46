"""Sayings that differ only in a word that is a parameter, as one: drain3 over templates.

A fingerprint comes from one line alone, so "user ada logged in" and "user bob logged in" are two. Seen together they
are one saying with a name in it. Drain (He et al. 2017, "An Online Log Parsing Approach with Fixed Depth Tree") finds
templates that are alike; they become one pattern when there are more of them than a choice of words explains: "VM
Started", "VM Stopped" and "VM Paused" stay three.

Bounded by the number of templates given; the same for the same templates, whatever their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Templates that are alike are one pattern from so many on.
VALUES: Final = 8
#: Tokens of two templates that must be the same, as a part of all (drain3's `sim_th`).
ALIKE: Final = 0.6
DEPTH: Final = 4


def merged(templates: Mapping[str, float], *, values: int = VALUES) -> dict[str, str]:
    """Template -> pattern. `templates` gives the weight of each: the heavier is looked at first."""
    from drain3.drain import Drain

    drain = Drain(depth=DEPTH, sim_th=ALIKE, max_children=100, param_str="<*>")
    groups: dict[int, list[str]] = {}
    for template in sorted(templates, key=lambda t: (-templates[t], t)):
        cluster, _ = drain.add_log_message(template)
        groups.setdefault(cluster.cluster_id, []).append(template)
    found: dict[str, str] = {}
    for cluster in drain.clusters:
        members = groups[cluster.cluster_id]
        common = cluster.get_template() if len(members) >= values else None
        found |= {template: common or template for template in members}
    return found
