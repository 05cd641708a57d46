"""The planner the server uses: `dispatch.plan` with the routes file of the configuration, and silences of the store.

The file is read again when its content changes; one that became wrong is refused and the old routes hold. Silences are
rows: whoever writes one, by whatever way, is heard at the next look.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from pitchey_slo.alert import dispatch, rows
from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.alert.escalation import acknowledge
from pitchey_slo.alert.model import Alert, AlertEvent
from pitchey_slo.alert.router import RESOLVE_TIMEOUT, Planned, taken_on
from pitchey_slo.alert.silences import Silence, silence_from, silence_rows
from pitchey_slo.errors import PitcheyError
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store

log = logging.getLogger(__name__)


class Routes:
    """`on_change` is called with the routes whenever other ones hold, for the outbox to build its channels; what it
    raises refuses them."""

    def __init__(self, settings: Settings, on_change: Callable[[RoutesConfig], None] = lambda _: None) -> None:
        self._settings = settings
        self._path = settings.routes_file
        self._on_change = on_change
        self._config: RoutesConfig | None = None
        self._digest: bytes | None = None
        self._problem: str | None = None
        self._memory = dispatch.Memory()
        self._silences: tuple[Silence, ...] = ()
        self._mark: tuple[int, int] = (-1, -1)

    @property
    def config(self) -> RoutesConfig | None:
        return self._config

    @property
    def memory(self) -> dispatch.Memory:
        return self._memory

    @property
    def silences(self) -> tuple[Silence, ...]:
        """Those that are not over."""
        return self._silences

    @property
    def resolve_timeout(self) -> timedelta:
        return timedelta(seconds=self._config.resolve_timeout) if self._config else RESOLVE_TIMEOUT

    @property
    def problems(self) -> Mapping[str, str]:
        return {str(self._path): self._problem} if self._problem else {}

    def refresh(self) -> bool:
        try:
            digest = hashlib.sha256(self._path.read_bytes()).digest()
        except FileNotFoundError:
            if self._digest != b"":
                self._digest = b""
                self._problem = "there is no routes file: alerts are kept, and nobody is told"
                log.warning("%s: %s", self._path, self._problem)
            return False
        if digest == self._digest:
            return False
        self._digest = digest
        try:
            config = load_routes(self._path, settings=self._settings)
            self._on_change(config)
        except PitcheyError as error:
            self._problem = error.message
            held = "the old routes hold" if self._config else "nobody is told of alerts"
            log.error("the routes are refused, %s:\n%s", held, error.message)
            return False
        for notice in config.notices:
            log.warning("%s", notice)
        self._config, self._problem = config, None
        return True

    def load(self, store: Store, now: datetime) -> None:
        groups = [rows.group_from(row) for row in _rows(store, "SELECT * FROM alert_groups")]
        escalations = [rows.escalation_from(row) for row in _rows(store, "SELECT * FROM escalations")]
        sql = """
            SELECT * FROM alert_events WHERE kind <> 'state' AND alert_id IN (
                SELECT id FROM alerts WHERE state <> 'resolved' OR resolved_at >= ?
            )
        """
        events = [rows.event_from(row) for row in _rows(store, sql, [now - timedelta(days=7)])]
        self._memory = dispatch.memory_of(groups, escalations, events)
        self.moved(store, now)

    def moved(self, store: Store, now: datetime) -> bool:  # noqa: ARG002  # the protocol's
        row = _rows(store, "SELECT coalesce(max(commit_seq), -1) AS seq, count(*) AS n FROM silences")[0]
        mark = (int(row["seq"]), int(row["n"]))
        if mark == self._mark:
            return False
        self._mark = mark
        self._silences = tuple(silence_from(row) for row in _rows(store, "SELECT * FROM silences"))
        return True

    def plan(self, alerts: Sequence[Alert], now: datetime) -> Planned:
        if self._config is None:
            return Planned(memory=self._memory)
        self._silences = tuple(s for s in self._silences if now < s.end + timedelta(days=1))
        done = dispatch.plan(self._config, self._memory, alerts, self._silences, now)
        found: dict[str, pa.Table] = {}
        if done.groups:
            found["alert_groups"] = rows.group_rows(done.groups)
        if done.escalations:
            found["escalations"] = rows.escalation_rows(done.escalations)
        if done.notifications:
            found["notifications"] = rows.notification_rows(done.notifications)
        if done.silences:
            found["silences"] = silence_rows(done.silences)
        return Planned(found, done.events, done.next_at, done.memory)

    def accept(self, planned: Planned) -> None:
        if isinstance(planned.memory, dispatch.Memory):
            self._memory = planned.memory

    def acknowledge(
        self, alerts: Sequence[Alert], by: str, now: datetime, comment: str = ""
    ) -> tuple[Sequence[Alert], Sequence[AlertEvent]]:
        done = acknowledge(self._memory, alerts, by, now)
        return done.alerts, [taken_on(event, comment) for event in done.events]

    def wanted(self) -> frozenset[str]:
        return self._memory.wanted()


def _rows(store: Store, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
    return [dict(row) for row in store.query(sql, params).to_pylist()]
