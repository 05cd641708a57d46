"""What the linter knows of an objective and of each of its burn conditions, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pitchey_slo.slo.alerts.burn import Condition
from pitchey_slo.slo.alerts.detect import Detection, Traffic
from pitchey_slo.slo.findings import AsDict, Floats
from pitchey_slo.slo.model import Objective, Slo

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding(AsDict):
    """One thing to know. `windows` is the condition it is about ("1h/5m"), None for the SLO as a whole; `text` says
    what is so, `hint` what would work."""

    level: Level
    kind: str
    slo: str
    objective: str
    windows: str | None
    text: str
    hint: str = ""


@dataclass(frozen=True, eq=False)
class Subject:
    """An objective as the linter sees it.

    part          1 - target
    period        minutes of its SLO window
    width         minutes of a time slice; 0 when events are counted
    traffic       valid units by hour of the week; None when nothing was read
    data_minutes  how far back the data go
    counted       whether events are counted at all (a raw ratio has none)
    noun          what is counted
    """

    slo: Slo
    objective: Objective
    part: float
    period: int
    width: int
    traffic: Traffic | None
    data_minutes: int | None
    counted: bool
    noun: str

    @property
    def per_minute(self) -> float | None:
        """Valid units of a minute, on average."""
        if self.width:
            return 1 / self.width
        return self.traffic.per_minute if self.traffic else None

    @property
    def unit(self) -> str:
        return "slices" if self.width else self.noun


@dataclass(frozen=True, eq=False)
class Tried:
    """A condition with what was computed for it; see `lint.ConditionLint`."""

    condition: Condition
    limit: float
    lost: float
    detections: tuple[Detection, ...]
    seen: Floats
    needed: Floats
    held: float | None
