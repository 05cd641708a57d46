"""The schedules as units for systemd: one timer for each that is enabled, all starting `pitchey-report@NAME.service`.

systemd reads a calendar in the clock of a place as cron does, and runs what was missed while the machine was off once
(`Persistent=`); it cannot make up for more. Set PITCHEY_SCHEDULES=off beside timers, or everything runs twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pitchey_slo.errors import ConfigError
from pitchey_slo.report.schedule.model import Schedule

_DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_RANGES: Final = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 7)}
_HEAD: Final = "# Written by `pitchey-slo report schedule timers` from config/schedules.yml; change it there.\n"


def unit_name(schedule: Schedule) -> str:
    return f"pitchey-report@{schedule.name}.timer"


def unit(schedule: Schedule) -> str:
    """The text of its timer. Raises ConfigError for an expression that systemd cannot say."""
    calendars = "".join(f"OnCalendar={each}\n" for each in calendar(schedule))
    persistent = "no" if schedule.missed == "skip" else "yes"
    policy = {
        "skip": "what was missed while the machine was off is not run",
        "once": "what was missed while the machine was off is run once",
        "backfill": "what was missed is run once; only the built-in scheduler makes up for more",
    }[schedule.missed]
    return (
        f"{_HEAD}[Unit]\nDescription=Pitchey report {schedule.name} ({schedule.cron}, {schedule.zone})\n\n"
        f"[Timer]\n{calendars}"
        f"# not with everybody else at the full hour\nRandomizedDelaySec={schedule.jitter:g}s\nFixedRandomDelay=yes\n"
        f"# {policy}\nPersistent={persistent}\n\n[Install]\nWantedBy=timers.target\n"
    )


def write(schedules: list[Schedule], folder: Path) -> list[Path]:
    """Write the timers of all that are enabled, and take those of others away; answers the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {unit_name(s): unit(s) for s in schedules if s.enabled}
    for old in folder.glob("pitchey-report@*.timer"):
        if old.name not in wanted and old.read_text(encoding="utf-8").startswith(_HEAD):
            old.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in wanted]


def calendar(schedule: Schedule) -> list[str]:
    """`OnCalendar` values; two where cron takes the day of the month or of the week.

    >>> calendar(Schedule("a", "n", "23 6 * * MON-FRI", "Europe/London"))
    ['Mon..Fri *-*-* 06:23:00 Europe/London']
    >>> calendar(Schedule("a", "n", "*/15 2,4 1 * *"))
    ['*-*-01 02,04:00/15:00 UTC']
    """
    minute, hour, day, month, weekday = schedule.cron.upper().split()
    clock = f"{_field(hour, 'hour')}:{_field(minute, 'minute')}:00 {schedule.zone}"
    months = _field(_named(month), "month")
    dated = f"*-{months}-{_field(day, 'day')} {clock}"
    if weekday == "*":
        return [dated]
    weekly = f"{_weekdays(weekday, schedule)} *-{months}-{_field(day, 'day')} {clock}"
    if day.startswith("*") or weekday.startswith("*"):
        return [weekly]
    return [dated, f"{_weekdays(weekday, schedule)} *-{months}-* {clock}"]


def _field(text: str, what: str) -> str:
    """One field: `*`, numbers, ranges, lists and steps, as systemd spells them."""
    return ",".join(_part(part, what) for part in text.split(","))


def _part(text: str, what: str) -> str:
    low, high = _RANGES[what]
    found = re.fullmatch(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?", text)
    if found is None:
        raise ConfigError(
            f"{text!r} in a cron expression cannot be a timer of systemd", hint="numbers, -, / and commas"
        )
    first, last, step = found.groups()
    if first == "*":
        return "*" if step in (None, "1") else f"{low:02}/{step}" if what != "day" else f"{low:02}..{high}/{step}"
    if last is None:
        return f"{int(first):02}" if step is None else f"{int(first):02}..{high}/{step}"
    return f"{int(first):02}..{int(last):02}" + (f"/{step}" if step else "")


def _weekdays(text: str, schedule: Schedule) -> str:
    """Days of the week; steps become the days themselves."""
    days: list[int] = []
    for part in text.split(","):
        for i, name in enumerate(_DAYS):
            part = part.replace(name.upper(), str(i))
        found = re.fullmatch(r"(\*|\d)(?:-(\d))?(?:/(\d))?", part)
        if found is None:
            raise ConfigError(f"{schedule.name}: {text!r} cannot be a timer of systemd", hint="names such as MON-FRI")
        first, last, step = found.groups()
        begin = 0 if first == "*" else int(first)
        end = int(last) if last else 6 if first == "*" or step else begin
        days += range(begin, end + 1, int(step or 1))
    chosen = sorted({day % 7 for day in days}, key=lambda day: (day - 1) % 7)
    spans: list[list[int]] = []
    for day in chosen:
        if spans and (day - 1) % 7 == (spans[-1][-1] - 1) % 7 + 1:
            spans[-1].append(day)
        else:
            spans.append([day])
    named = [_DAYS[s[0]] if len(s) == 1 else f"{_DAYS[s[0]]}..{_DAYS[s[-1]]}" for s in spans]
    return ",".join(named)


def _named(text: str) -> str:
    for i, name in enumerate(_MONTHS, 1):
        text = text.replace(name, str(i))
    return text
