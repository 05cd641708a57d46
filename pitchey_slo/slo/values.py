"""Small values that every part of the slo room speaks of: lengths of time, windows, places in files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pitchey_slo.errors import ConfigError, did_you_mean

#: key -> its texts; OpenSLO allows several for one key
Labels = Mapping[str, tuple[str, ...]]

#: unit of a duration -> minutes, or None where the calendar decides
UNITS: dict[str, int | None] = {"m": 1, "h": 60, "d": 1440, "w": 10080, "M": None, "Q": None, "Y": None}


@dataclass(frozen=True)
class Duration:
    """OpenSLO duration shorthand: a positive integer and one of m h d w M Q Y.

    >>> Duration.parse("4w").minutes
    40320
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Duration:
        """ValueError when `text` is no duration."""
        found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdwMQY])", text)
        if not found:
            raise ValueError(f"{text!r} is not a duration: a positive whole number and one of m h d w M Q Y, like 28d")
        return cls(int(found[1]), found[2])

    @property
    def minutes(self) -> int | None:
        """Its length, or None for months, quarters and years, whose length the calendar decides."""
        each = UNITS[self.unit]
        return None if each is None else self.count * each

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True)
class Place:
    """Where something stands, for messages."""

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.file, line=self.line, key=self.key, hint=hint)


@dataclass(frozen=True)
class TimeWindow:
    """Over which time: rolling, or aligned to the calendar of `zone` counted from `anchor` (a wall-clock time)."""

    duration: Duration
    zone: str | None = None
    anchor: datetime | None = None

    @property
    def rolling(self) -> bool:
        return self.zone is None

    @property
    def text(self) -> str:
        return str(self.duration) if self.rolling else f"{self.duration} {self.zone}"

    @classmethod
    def parse(cls, text: str) -> TimeWindow:
        """`"28d"` is rolling, `"1M Europe/London"` the calendar months of London. ValueError for anything else.

        >>> TimeWindow.parse("1M Europe/London").text
        '1M Europe/London'
        """
        words = text.split()
        try:
            duration = Duration.parse(words[0] if len(words) in (1, 2) else "")
        except ValueError:
            example = "a duration like 28d, or with a time zone for the calendar: 1M Europe/London"
            raise ValueError(f"{text!r} is not a window: {example}") from None
        return cls(duration) if len(words) == 1 else cls(duration, check_zone(words[1]), CALENDAR_ANCHOR)


#: Calendar windows without a startTime count from here: a Monday, and the first of a month, quarter and year.
CALENDAR_ANCHOR = datetime(2024, 1, 1)  # a wall-clock time on purpose


def check_zone(name: str) -> str:
    """`name` if it is an IANA time zone, else ValueError with a near one."""
    import zoneinfo

    try:
        ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, zoneinfo.available_timezones())
        raise ValueError(f"no time zone {name!r}; {near or 'use an IANA name such as Europe/London or UTC'}") from None
    return name
