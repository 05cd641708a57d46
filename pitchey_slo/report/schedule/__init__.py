"""Schedules: reports that run by themselves at the times `config/schedules.yml` says, and are sent to people.

Every time a schedule is due becomes a row of `report_dues` before anything is done about it, and ends as succeeded,
failed or skipped, with the reason and with what became of the messages about it. A time that passed while nobody ran is
treated as the schedule's `missed` says. What fails, what is skipped, what is made of old data and what does not arrive
is told to `on_failure`; a schedule without success for its `max_age` is an alert.

What this room does not do: it does not send (the outbox of alerting does), it does not wake a machine, and it knows no
order between schedules. `timers` writes the same schedules as units for systemd, which then decides when they are due.
"""

from pitchey_slo.report.schedule.book import Book
from pitchey_slo.report.schedule.model import Due, Schedule, Target
from pitchey_slo.report.schedule.read import FILE, Schedules, load, read
from pitchey_slo.report.schedule.scheduler import Scheduler
from pitchey_slo.report.schedule.standing import Standing, standings
from pitchey_slo.report.schedule.telling import Outlet

__all__ = [
    "FILE",
    "Book",
    "Due",
    "Outlet",
    "Schedule",
    "Scheduler",
    "Schedules",
    "Standing",
    "Target",
    "load",
    "read",
    "standings",
]
