"""Pulling from Analytics Engine inside the server: when, how it is told, and the order to pull by hand.

It starts when CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN are set and `config/analytics_engine.yml` is there. What
stands in the way is a line in the log, once, `pitchey_slo_analytics_engine_up` 0 and, when it lasts or a person is
needed, an alert of the watchdog.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from pitchey_slo.collect.analytics_engine import FILE, Pull, PullConfig, Puller, SqlApi, refused_told
from pitchey_slo.errors import ConfigError, Conflict, PitcheyError, PullError, RequestError
from pitchey_slo.web.analytics_engine_keep import StoreKeep, configured, sql_api
from pitchey_slo.web.auth import needs
from pitchey_slo.web.bodies import Form, described, read_form
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import House
from pitchey_slo.web.meter import Meter

router = APIRouter(tags=["analytics engine"])
log = logging.getLogger(__name__)

#: Pulls in a row that failed before somebody is told; where a person is needed (auth, refused) it is the first.
FAILURES: Final = 2
#: Seconds until something is tried again that needs a person, and the longest pause otherwise.
PERSON: Final = 600.0
LONGEST: Final = 900.0
#: Seconds that a pull under way has when the server stops; it is resumed from its watermark.
STOP_SECONDS: Final = 5.0


class AnalyticsEngine:
    """One per application; nothing runs before `start`."""

    def __init__(self, house: House, meter: Meter, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._house, self._meter, self._monotonic = house, meter, monotonic
        self._stop, self._pulling, self._ordering = threading.Event(), threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._ordered: threading.Thread | None = None
        self._seen: tuple[int, int] | None = None
        self._due = 0.0
        self._failures = 0
        self._config: PullConfig | None = None
        self.problem: str | None = None
        #: whether it is told to people: it needs one, or lasts
        self.alarming = False
        self.until: datetime | None = None
        self.last: Pull | None = None
        self.order: dict[str, Any] | None = None

    @property
    def wanted(self) -> bool:
        settings = self._house.settings
        there = bool(settings.cloudflare_account_id and settings.cloudflare_api_token)
        return there and (settings.config / FILE).is_file()

    def start(self) -> None:
        """Begin to pull, once the store is open."""
        if not self.wanted or self._thread is not None:
            return
        self._meter.gauge("analytics_engine_up", lambda: float(self.problem is None))
        self._meter.gauge("analytics_engine_behind_seconds", self.behind)
        self._thread = threading.Thread(target=self._work, name="analytics-engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; the store is still open."""
        self._stop.set()
        for thread in (self._thread, self._ordered):
            if thread is not None:
                thread.join(STOP_SECONDS)

    def behind(self) -> float | None:
        """Seconds since the newest moment that was pulled; None before the first pull."""
        return None if self.until is None else (self._house.clock() - self.until).total_seconds()

    def down(self) -> dict[str, str | None]:
        """For the watchdog: what is pulled, and why it cannot be (None: it can, or it is not bad enough to be told)."""
        if self._thread is None:
            return {}
        name = f"Analytics Engine {self._config.dataset if self._config is not None else ''}".strip()
        return {name: self.problem if self.alarming else None}

    def told(self) -> dict[str, Any]:
        return {
            "running": self._thread is not None,
            "dataset": self._config.dataset if self._config is not None else None,
            "problem": self.problem,
            "until": None if self.until is None else self.until.isoformat(),
            "behind_seconds": self.behind(),
            "last": None if self.last is None else self.last.as_dict(),
            "order": self.order,
        }

    def pull_now(self, since: datetime | None, *, dry_run: bool) -> None:
        """Pull once by hand, in a thread; `order` tells how far it is. Raises Conflict while another one runs,
        RequestError when nothing is set up."""
        try:
            config = configured(self._house.settings)
            api = sql_api(self._house.settings, self._house.clock)
        except ConfigError as error:
            raise RequestError(error.message) from None
        with self._ordering:
            if self.order is not None and self.order["running"]:
                raise Conflict("a pull by hand runs already; GET /api/monitoring/analytics-engine tells how far it is")
            self.order = {"running": True, "error": None, "pull": None}
        job = threading.Thread(target=self._by_hand, args=(config, api, since, dry_run), name="pull", daemon=True)
        self._ordered = job
        job.start()

    def turn(self) -> None:
        """One pull of the rhythm, if it is due and no other runs."""
        changed = self._changed()
        if self._monotonic() < self._due and not changed:
            return
        if not self._pulling.acquire(blocking=False):
            return
        try:
            self._due = self._monotonic() + self._pull()
        finally:
            self._pulling.release()

    def _work(self) -> None:
        while True:
            self.turn()
            if self._stop.wait(min(self._config.every if self._config is not None else 60, 60)):
                return

    def _changed(self) -> bool:
        try:
            stat = (self._house.settings.config / FILE).stat()
        except OSError:
            return False
        seen, self._seen = self._seen, (stat.st_mtime_ns, stat.st_size)
        return seen != self._seen

    def _pull(self) -> float:
        """Pull and tell; returns the seconds until the next one."""
        try:
            self._config = config = configured(self._house.settings)
            api = sql_api(self._house.settings, self._house.clock)
        except (ConfigError, OSError) as error:
            return self._failed(str(error), person=True)
        try:
            puller = self._puller(config, api, lambda _: self._note_mark(config))
            self._note_mark(config)
            pull = puller.pull()
        except PullError as error:
            return self._failed(error.message, person=not error.transient, after=error.retry_after)
        except Exception as error:  # whatever it is, the next pull must come
            if self._stop.is_set():
                return 0.0
            log.debug("the pull failed", exc_info=True)
            return self._failed(str(error) or type(error).__name__, person=not isinstance(error, PitcheyError))
        finally:
            api.close()
        self._worked(pull, config)
        return 0.0

    def _puller(self, config: PullConfig, api: SqlApi, told: Callable[[Pull], None]) -> Puller:
        clock = self._house.clock
        keep = StoreKeep(self._house.opened(), clock)
        return Puller(config, api, keep, clock=clock, wait=self._stop.wait, told=told)

    def _note_mark(self, config: PullConfig) -> None:
        mark = StoreKeep(self._house.opened(), self._house.clock).mark(config.dataset)
        self.until = mark.until if mark is not None else None

    def _worked(self, pull: Pull, config: PullConfig) -> None:
        self._note_mark(config)
        self._meter.add("analytics_engine_pulls_total", 1, outcome="stopped" if pull.stopped else "done")
        self._count(pull)
        if self.problem is not None:
            log.warning("Analytics Engine is pulled again, up to %s", self.until)
        self.problem, self.alarming, self._failures, self.last = None, False, 0, pull

    def _failed(self, problem: str, *, person: bool, after: float | None = None) -> float:
        """Tell what is wrong, once, loudly where a person is needed; returns the seconds until it is tried again."""
        self._meter.add("analytics_engine_pulls_total", 1, outcome="failed")
        if problem != self.problem:
            log.log(logging.ERROR if person else logging.WARNING, "Analytics Engine cannot be pulled: %s", problem)
        self._failures += 1
        self.problem, self.alarming = problem, person or self._failures >= FAILURES
        every = self._config.every if self._config is not None else 60
        return max(PERSON if person else min(every * 2.0 ** (self._failures - 1), LONGEST), after or 0.0)

    def _count(self, pull: Pull) -> None:
        for table, counts in pull.tables.items():
            for outcome in ("stored", "duplicates", "resampled"):
                word = "duplicate" if outcome == "duplicates" else outcome
                self._meter.add("analytics_engine_rows_total", getattr(counts, outcome), table=table, outcome=word)
            refused = sum(counts.refused.values())
            self._meter.add("analytics_engine_rows_total", refused, table=table, outcome="refused")
            self._meter.rows(table, None, counts.refused)
        if (said := refused_told(pull)) is not None:
            log.warning("Analytics Engine, %s to %s: %s", pull.start, pull.end, said)

    def _by_hand(self, config: PullConfig, api: SqlApi, since: datetime | None, dry_run: bool) -> None:
        order: dict[str, Any] = {"running": False, "error": None, "pull": None}

        def told(pull: Pull) -> None:
            self.order = {"running": True, "error": None, "pull": pull.as_dict()}

        try:
            with self._pulling:
                pull = self._puller(config, api, told).pull(since=since, dry_run=dry_run)
                order["pull"] = pull.as_dict()
                if not dry_run:
                    self._count(pull)
        except Exception as error:  # noqa: BLE001  # told to whoever ordered it
            log.warning("the pull by hand of Analytics Engine failed: %s", error)
            order |= {"error": str(error) or type(error).__name__, "pull": (self.order or {}).get("pull")}
        finally:
            api.close()
            self.order = order


class PullOrder(Form):
    since: str | None = Field(None, max_length=64, description="pull everything from this time on once more: ISO 8601")
    dry_run: bool = Field(False, description="ask and read, store nothing")


def _engine_of(request: Request) -> AnalyticsEngine:
    found = request.app.state.analytics_engine
    assert isinstance(found, AnalyticsEngine)
    return found


@router.get("/api/monitoring/analytics-engine", **needs("read"))
async def analytics_engine(request: Request) -> Response:
    """How far Analytics Engine was pulled, what stands in the way, the last pull, and the one by hand."""
    return answer(_engine_of(request).told())


@router.post("/api/monitoring/analytics-engine/pull", **needs("admin", **described(PullOrder)))
async def pull(request: Request) -> Response:
    """Pull once now. 202: it has begun, and `order` of `GET /api/monitoring/analytics-engine` tells how far it is."""
    form = await read_form(request, PullOrder)
    since = None
    if form.since is not None:
        try:
            since = datetime.fromisoformat(form.since)
        except ValueError:
            raise RequestError(f"since: {form.since!r} is no time; give 2026-05-01T12:00:00Z") from None
        since = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
    engine = _engine_of(request)
    await asyncio.to_thread(engine.pull_now, since, dry_run=form.dry_run)
    return answer(engine.told(), 202)
