"""Investigations that run by themselves: when an alert of a chosen severity fires, the investigation notebook is run
for its window, and where the page lies is written among the decisions about it.

One at a time, each alert name at most once an hour (a storm of alerts is one incident), the newest first: what waits
longer than ten minutes is left out and said so. A worker process does the work, with its limits of time and memory, so
nothing of it can slow alerting down.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from pitchey_slo.alert import rows
from pitchey_slo.alert.model import Alert, AlertEvent
from pitchey_slo.errors import PitcheyError
from pitchey_slo.report.catalogue import Notebook, find
from pitchey_slo.report.run import Asked, run_notebook, utc_now
from pitchey_slo.report.worker import Limits
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store

log = logging.getLogger(__name__)

NOTEBOOK: Final = "70_incident_investigation"
#: Seconds between looks; how long after it fired an alert is investigated, so that its first minutes are in the page.
EVERY: Final = 5.0
AFTER: Final = timedelta(seconds=45)
#: An alert that fired before so long is left out; one name is investigated once in so long.
STALE: Final = timedelta(minutes=10)
AGAIN: Final = timedelta(hours=1)
LIMITS: Final = Limits(seconds=300)


class Investigations:
    """`alerts` gives the alerts of now, `severities` those that are investigated; runs in a thread of its own."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        alerts: Callable[[], Sequence[Alert]],
        severities: Collection[str],
        *,
        clock: Callable[[], datetime] = utc_now,
        notebook: Notebook | None = None,
    ) -> None:
        self._store, self._settings, self._alerts = store, settings, alerts
        self._severities, self._clock = frozenset(severities), clock
        self._notebook = notebook
        self._done: set[str] = set()
        self._last: dict[str, datetime] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Idempotent; with no severity nothing is ever run."""
        if self._thread is None and self._severities:
            self._known()
            self._thread = threading.Thread(target=self._work, name="investigations", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """A run that goes on is left to its worker: its page is written all the same."""
        self._stop.set()

    def next(self) -> Alert | None:
        """The alert to investigate now: the newest that fired long enough ago and is not done."""
        now = self._clock()
        ready = [
            alert
            for alert in self._alerts()
            if alert.fired_at is not None
            and alert.severity in self._severities
            and alert.id not in self._done
            and AFTER <= now - alert.fired_at <= STALE
            and now - self._last.get(alert.name, now - AGAIN) >= AGAIN
        ]
        return max(ready, key=lambda a: a.fired_at or now, default=None)

    def investigate(self, alert: Alert) -> str | None:
        """Run the notebook for one alert; the path of its page, None when the run failed (which is written too)."""
        self._done.add(alert.id)
        self._last[alert.name] = self._clock()
        self._store.flush()  # the worker reads the lake
        given = {"alert": alert.id, "title": one_line(alert)}
        try:
            notebook, asked = self._notebook or find(NOTEBOOK), Asked(trigger="alert", again=True)
            run = run_notebook(notebook, given, self._settings, asked=asked, limits=LIMITS).run
        except PitcheyError as error:
            self._say(alert, f"The investigation could not be run: {error.message[:500]}", {})
            return None
        self._say(alert, f"Investigated: {run.html}", {"run": run.id, "html": run.html, "notebook": run.output})
        return str(run.html)

    def _say(self, alert: Alert, text: str, detail: dict[str, object]) -> None:
        event = AlertEvent(self._clock(), alert.id, alert.fingerprint, "investigated", text, detail)
        self._store.append("alert_events", rows.event_rows([event]))

    def _known(self) -> None:
        """What was investigated before this start is not investigated again."""
        found = self._store.query(
            "SELECT alert_id FROM alert_events WHERE kind = 'investigated' AND ts >= ?", [self._clock() - AGAIN]
        )
        self._done |= set(found["alert_id"].to_pylist())

    def _work(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                alert = self.next()
                if alert is not None:
                    self.investigate(alert)
            except Exception:
                log.exception("an investigation failed; the next alert is tried")


def one_line(alert: Alert) -> str:
    """What the page is called."""
    return " ".join((alert.annotations.get("summary") or alert.name).split())[:200]
