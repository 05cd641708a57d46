"""Our words in Grafana's: units, colours, links."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from pitchey_slo.board.model import Link, Threshold

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: Ours -> the id of Grafana's unit (packages/grafana-data/src/valueFormats/categories.ts).
UNITS: Final = {
    "none": "none",
    "short": "short",
    "percent": "percent",
    "ratio": "percentunit",
    "seconds": "s",
    "milliseconds": "ms",
    "days": "d",
    "bytes": "bytes",
    "per_second": "cps",
    "per_minute": "cpm",
    "money": "short",
    "time": "dateTimeAsIso",
    "burn": "suffix:x",
}
COLOURS: Final = {"ok": "green", "warning": "orange", "critical": "red"}
_LABEL: Final = re.compile(r"\{\{\s*([a-zA-Z_]\w*)\s*\}\}")


def uid(name: str) -> str:
    """Of a dashboard in Grafana: `pitchey-overview` for the system overview, `pitchey-NAME` for the others."""
    return "pitchey-" + ("overview" if name == "system" else name)[:30]


def steps(thresholds: Sequence[Threshold], low: float | None) -> list[dict[str, Any]]:
    """Grafana's steps: sorted, the first without a value holds below all others. A threshold at (or below) the lower
    end of the scale is that first one; without one it is green."""
    ordered = sorted(thresholds, key=lambda t: t.value)
    base = "green"
    if ordered and ordered[0].value <= (low or 0.0):
        base = COLOURS[ordered.pop(0).state]
    told: list[dict[str, Any]] = [{"color": base, "value": None}]
    return told + [{"color": COLOURS[t.state], "value": t.value} for t in ordered]


def of_click(link: Link) -> bool:
    """Whether a link needs to know what was clicked."""
    return any(_LABEL.search(text) for text in link.given.values())


def address(link: Link, *, table: bool = False) -> str:
    """Where a link leads in Grafana; in a table the labels of a row are its fields."""
    if link.path:
        return "${workbench}" + link.to
    parts = ["${__url_time_range}"]
    for name, text in link.given.items():
        if text == f"${name}":
            parts.append(f"${{{name}:queryparam}}")
        elif text.startswith("$"):
            parts.append(f"var-{name}=${{{text[1:]}:percentencode}}")
        else:
            parts.append(f"var-{name}=" + _clicked(text, "__data.fields" if table else "__field.labels"))
    return f"/d/{uid(link.to)}?" + "&".join(parts)


def _clicked(text: str, where: str) -> str:
    """`{{route}}` as Grafana's `${__field.labels.route}`, other text as an address has it."""
    made, at = "", 0
    for found in _LABEL.finditer(text):
        made += quote(text[at : found.start()], safe="") + f"${{{where}.{found[1]}:percentencode}}"
        at = found.end()
    return made + quote(text[at:], safe="")
