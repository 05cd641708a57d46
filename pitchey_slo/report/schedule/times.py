"""When a schedule is due: cron expressions in the clock of a place, and what words such as `yesterday` mean then.

Where clocks are turned forward, a time that does not exist is taken at the first minute after the gap; where they are
turned back, a time that exists twice is taken once, the first time (as Debian's cron does it, which cronsim follows).
So a daily report runs once a day on every day of the year. Expressions with `*` in minutes or hours follow the time
that passes.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pitchey_slo.report.schedule.model import Schedule

#: Shortest pause between two times: a report takes its while, and nobody reads them faster.
SHORTEST: Final = 300.0
WORDS: Final = ("due", "today", "yesterday", "this_week", "last_week", "this_month", "last_month")
_IN_TEXT: Final = re.compile(r"\$\{(\w+)\}")


def after(schedule: Schedule, moment: datetime) -> Iterator[datetime]:
    """Due times after `moment`, in order, UTC; without end, unless the expression names a day that never comes."""
    from cronsim import CronSim

    last = moment
    for local in CronSim(schedule.cron, moment.astimezone(ZoneInfo(schedule.zone))):
        due = local.astimezone(UTC)
        if due > last:
            yield due
            last = due


def between(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Due times with start < time <= end."""
    return list(itertools.takewhile(lambda due: due <= end, after(schedule, start)))


def problem(cron: str) -> str | None:
    """Why that is no cron expression here; None when it is one."""
    from cronsim import CronSim, CronSimError

    if len(cron.split()) != 5:
        return f"{cron!r} has {len(cron.split())} fields; five are needed: minute, hour, day, month, weekday"
    try:
        times = list(itertools.islice(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)), 60))
    except CronSimError as error:
        return f"{cron!r} is no cron expression: {error}"
    if not times:
        return f"{cron!r} names no day that ever comes"
    pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    if min(pauses, default=SHORTEST) < SHORTEST:
        return f"{cron!r} is due every {min(pauses):g} s; at most every five minutes"
    return None


def offset(schedule: Schedule) -> timedelta:
    """How much later than due it runs: the same for a name, for ever, and at least a minute where the expression names
    a full hour, when half the world's jobs start."""
    if schedule.jitter <= 0:
        return timedelta(0)
    number = int.from_bytes(hashlib.sha256(schedule.name.encode()).digest()[:8])
    least = min(60.0, schedule.jitter) if schedule.cron.split()[0] == "0" else 0.0
    return timedelta(seconds=int(least + number % int(schedule.jitter - least + 1)))


def longest_pause(schedule: Schedule, now: datetime) -> float:
    """Seconds between two of its next times, at most."""
    following = list(itertools.islice(after(schedule, now), 8))
    return max(((b - a).total_seconds() for a, b in itertools.pairwise(following)), default=366 * 86_400.0)


def max_age(schedule: Schedule, now: datetime) -> float:
    """Seconds without a success after which it is dead."""
    return schedule.max_age or 2 * longest_pause(schedule, now) + 3_600


def word(name: str, due_at: datetime, zone: str) -> datetime:
    """The time a word means: the begin of that day, week (Monday) or month where the schedule lives; `due` itself.

    >>> word("yesterday", datetime(2026, 11, 23, 5, 23, tzinfo=UTC), "Europe/Berlin").isoformat()
    '2026-11-22T00:00:00+01:00'
    """
    place = ZoneInfo(zone)
    local = due_at.astimezone(place)
    day, month = local.date(), local.date().replace(day=1)
    monday = day - timedelta(days=day.weekday())
    begins = {
        "today": day,
        "yesterday": day - timedelta(days=1),
        "this_week": monday,
        "last_week": monday - timedelta(days=7),
        "this_month": month,
        "last_month": (month - timedelta(days=1)).replace(day=1),
    }
    return local if name == "due" else datetime.combine(begins[name], time(), place)


def resolve(given: Mapping[str, str], due_at: datetime, zone: str) -> dict[str, str]:
    """Parameters with their words worked out: a value that is a word becomes that time, `${yesterday}` inside a text
    becomes the date.

    >>> resolve({"end": "today", "title": "of ${yesterday}"}, datetime(2026, 11, 23, 5, 23, tzinfo=UTC), "UTC")
    {'end': '2026-11-23T00:00:00+00:00', 'title': 'of 2026-11-22'}
    """
    found = {}
    for name, text in given.items():
        if text in WORDS:
            found[name] = word(text, due_at, zone).isoformat()
        else:
            found[name] = _IN_TEXT.sub(
                lambda m: word(m[1], due_at, zone).date().isoformat() if m[1] in WORDS else m[0], text
            )
    return found
