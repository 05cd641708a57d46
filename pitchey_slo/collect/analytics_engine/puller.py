"""Pulls a dataset window by window, up to the last minutes, and remembers how far it came.

    watermark - overlap ......... watermark ............... now - lag ... now
    [ read again for late rows ]  [ asked the first time ]  [ left alone ]

The rows of a window are stored first, then the watermark moves: a pull that is killed anywhere reads that window again,
and the store keeps each (source, event_id) once. A window shrinks when its answer is too big and grows again; what may
pass (429, 5xx, no answer, an answer cut off) is asked again after a pause.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pitchey_slo.collect.analytics_engine.ask import Api, Clock
from pitchey_slo.collect.analytics_engine.config import KEPT, PullConfig, Pulled
from pitchey_slo.collect.analytics_engine.rows import batch_of, told_apart
from pitchey_slo.collect.analytics_engine.sql import question
from pitchey_slo.errors import PullError

log = logging.getLogger(__name__)

#: Rows of one answer; a window with more is asked in halves, down to one second, which is taken whole.
MOST_ROWS: Final = 50_000
#: Tries in a row without one answer, and the longest pause in between, after which a pull gives up for now.
TRIES: Final = 6
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 120.0
#: Seconds below which a window is not shrunk for slowness: it is not the amount, then.
SLOW: Final = 60
#: How far the times of one event may differ, as the Worker sent it itself and as Analytics Engine has it.
AROUND: Final = timedelta(minutes=1)
#: Refused rows whose message is told per table and pull.
TOLD: Final = 3


@dataclass(frozen=True)
class Mark:
    """How far a dataset was pulled: everything before `until`. `edges` are the times within the overlap at which what
    was first asked at once begins or ends (see `rows.told_apart`)."""

    until: datetime
    edges: tuple[datetime, ...] = ()

    def text(self) -> str:
        """As it is kept."""
        return orjson.dumps({"until": self.until, "edges": list(self.edges)}).decode()

    @classmethod
    def of(cls, text: str) -> Mark:
        told = orjson.loads(text)
        return cls(datetime.fromisoformat(told["until"]), tuple(map(datetime.fromisoformat, told["edges"])))


class Keep(Protocol):
    """Where rows and the watermark are kept."""

    def mark(self, dataset: str) -> Mark | None:
        """How far this dataset was pulled; None when it never was."""
        ...

    def put_mark(self, dataset: str, mark: Mark) -> None:
        """Returns when it is durable."""
        ...

    def known(self, table: str, source: str, start: datetime, end: datetime) -> pa.Table:
        """event_id and sample_interval of what is stored of this source with start <= ts < end."""
        ...

    def put(self, rows: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Store rows of several tables, all or nothing; returns, when they are durable, how many of each were new."""
        ...


@dataclass
class Counts:
    """What became of the data points of one table. `weight` is the sum of the weights of those that conform: the events
    they stand for. `resampled` are new rows left out, since what is stored of their time is another sample."""

    read: int = 0
    weight: float = 0.0
    stored: int = 0
    duplicates: int = 0
    resampled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Without `told`: messages quote values of people's data, and go to nobody but who pulls by hand, here."""
        return {name: value for name, value in vars(self).items() if name != "told"} | {"refused": dict(self.refused)}


@dataclass
class Pull:
    """One pull: what it asks for (start <= t < end), how far it is (`at`), and what came of it."""

    start: datetime
    end: datetime
    at: datetime
    dry_run: bool = False
    tables: dict[str, Counts] = field(default_factory=dict)
    questions: int = 0
    pauses: int = 0
    stopped: bool = False
    note: str | None = None

    @property
    def share(self) -> float:
        """How much of its time is done, 0 to 1."""
        whole = (self.end - self.start).total_seconds()
        return 1.0 if whole <= 0 else (self.at - self.start).total_seconds() / whole

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("dry_run", "questions", "pauses", "stopped", "note", "share")}
        times = {name: getattr(self, name).isoformat() for name in ("start", "end", "at")}
        return {**times, **plain, "tables": {name: counts.as_dict() for name, counts in self.tables.items()}}


class Puller:
    """Pulls what `config` says from `api` into `keep`. One pull at a time.

    `wait(seconds)` pauses and returns True when the pull shall end; `told(pull)` hears of every window.
    """

    def __init__(
        self,
        config: PullConfig,
        api: Api,
        keep: Keep,
        *,
        clock: Clock,
        wait: Callable[[float], bool] | None = None,
        told: Callable[[Pull], None] = lambda _: None,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self.config, self._api, self._keep, self._clock = config, api, keep, clock
        self._wait = threading.Event().wait if wait is None else wait
        self._told, self._most = told, most_rows
        self._width = config.window

    def pull(self, *, since: datetime | None = None, dry_run: bool = False) -> Pull:
        """Everything new; with `since` everything from then on once more. `dry_run` asks and reads, and stores nothing.

        Raises PullError when it cannot go on; what was stored until then stays, and the next pull goes on from there.
        """
        mark = self._keep.mark(self.config.dataset)
        pull, moves = self._plan(mark, since, dry_run)
        if pull.note:
            log.warning("%s", pull.note)
        failures = 0
        while pull.at < pull.end:
            upto = min(pull.at + timedelta(seconds=self._width), pull.end)
            try:
                read = self._window(pull, mark, upto)
            except PullError as error:
                failures = self._after(error, pull, upto, failures)
                if pull.stopped:
                    return pull
                continue
            failures = 0
            if moves and not dry_run:
                mark = self._moved(mark, pull.at, upto)
                self._keep.put_mark(self.config.dataset, mark)
            pull.at = upto
            if read < self._most // 4:
                self._width = min(self.config.window, self._width * 2)
            self._told(pull)
            if self._wait(0):
                pull.stopped = True
                return pull
        return pull

    def _plan(self, mark: Mark | None, since: datetime | None, dry_run: bool) -> tuple[Pull, bool]:
        """What to ask for, and whether the watermark moves with it: not across time that nobody asked for."""
        now = _second(self._clock())
        end, oldest = now - timedelta(seconds=self.config.lag), now - timedelta(seconds=KEPT)
        usual = now - timedelta(seconds=self.config.first)
        if mark is not None:
            usual = mark.until - timedelta(seconds=self.config.overlap)
        start = max(_second(since) if since is not None else usual, oldest)
        note = None
        if since is None and mark is not None and mark.until < oldest:
            note = (
                f"the last pull of {self.config.dataset} ended at {mark.until:%Y-%m-%d %H:%M}; Analytics Engine keeps "
                f"three months, so what it wrote until {oldest:%Y-%m-%d %H:%M} is lost"
            )
        elif since is not None and since < oldest:
            note = f"Analytics Engine keeps three months: the pull begins at {oldest:%Y-%m-%d %H:%M}"
        moves = mark is None or start <= mark.until or start == oldest
        tables = {pulled.table.name: Counts() for pulled in self.config.tables}
        return Pull(start, max(start, end), start, dry_run=dry_run, tables=tables, note=note), moves

    def _window(self, pull: Pull, mark: Mark | None, upto: datetime) -> int:
        """Ask for one window and store it; returns the rows of the longest answer."""
        found: dict[str, pa.Table] = {}
        counts: dict[str, Counts] = {}
        for pulled in self.config.tables:
            name = pulled.table.name
            found[name], counts[name] = self._ask(pull, pulled, mark, upto)
        if not pull.dry_run:
            rows = {name: table for name, table in found.items() if table.num_rows}
            for name, stored in self._keep.put(rows).items() if rows else ():
                counts[name].stored = stored
                counts[name].duplicates += found[name].num_rows - stored
        for name, count in counts.items():
            _add(pull.tables[name], count)
        return max((count.read for count in counts.values()), default=0)

    def _ask(self, pull: Pull, pulled: Pulled, mark: Mark | None, upto: datetime) -> tuple[pa.Table, Counts]:
        """The rows of one table in one window that may be stored. Raises PullError, too_big where it has more than an
        answer may have."""
        one = upto - pull.at <= timedelta(seconds=1)
        pull.questions += 1
        rows = self._api.ask(question(self.config.dataset, pulled, pull.at, upto, None if one else self._most + 1))
        if not one and len(rows) > self._most:
            raise PullError(f"more than {self._most:,} rows", "too_big")
        batch = batch_of(pulled, rows, self.config.source, now=self._clock())
        fresh, left_out = self._told_apart(pulled, batch.rows, pull.at, upto, mark)
        counts = Counts(
            read=len(rows),
            weight=float(pc.sum(batch.rows["sample_interval"]).as_py() or 0.0),
            duplicates=batch.rows.num_rows - fresh.num_rows - left_out,
            resampled=left_out,
            refused=Counter(each.reason for each in batch.rejected),
            told=[each.message for each in batch.rejected[:TOLD]],
        )
        return fresh, counts

    def _told_apart(
        self, pulled: Pulled, rows: pa.Table, start: datetime, end: datetime, mark: Mark | None
    ) -> tuple[pa.Table, int]:
        """`rows.told_apart` with what is stored of that time. The Worker's own deliveries have finer times than
        Analytics Engine, which notes when the point was written."""
        if not rows.num_rows:
            return rows, 0
        known = self._keep.known(pulled.table.name, self.config.source, start - AROUND, end + AROUND)
        return told_apart(rows, known, (*mark.edges, mark.until) if mark is not None else ())

    def _after(self, error: PullError, pull: Pull, upto: datetime, failures: int) -> int:
        """What to do about a window that was not answered: ask for less, wait, or give up (raises it)."""
        width = (upto - pull.at).total_seconds()
        if error.kind == "too_big" and width > 1:
            self._width = max(1, int(width // 2))
            return failures
        if not error.transient or error.kind == "too_big" or failures + 1 >= TRIES:
            raise error
        pause = min(FIRST_PAUSE * 2.0**failures * random.uniform(1.0, 1.3), LONGEST_PAUSE)
        pause = max(pause, error.retry_after or 0.0)
        if pause > LONGEST_PAUSE:
            raise error
        if error.kind in ("slow", "busy") and width > SLOW:
            self._width = max(SLOW, int(width // 2))
        log.debug("asked again in %.1f s: %s", pause, error.message)
        pull.pauses += 1
        pull.stopped = self._wait(pause)
        return failures + 1

    def _moved(self, mark: Mark | None, start: datetime, upto: datetime) -> Mark:
        """The mark after a window: `upto`, unless it is further already; edges that the overlap reaches are kept."""
        if mark is not None and upto <= mark.until:
            return mark
        began = start if mark is None else max(start, mark.until)
        edges = {began, upto, *(mark.edges if mark is not None else ())}
        reach = upto - timedelta(seconds=self.config.overlap)
        # the newest one before the reach, too: it is where the part begins that the reach lies in
        before = max((edge for edge in edges if edge <= reach), default=None)
        kept = {edge for edge in edges if edge > reach} | ({before} if before is not None else set())
        return Mark(upto, tuple(sorted(kept)))


def refused_told(pull: Pull) -> str | None:
    """How many data points were refused and why, in one line without any of their values; None when none was."""
    parts = [f"{count:,} of {name}: {reason}" for name, c in pull.tables.items() for reason, count in c.refused.items()]
    return f"data points refused: {', '.join(parts)}" if parts else None


def _add(total: Counts, one: Counts) -> None:
    total.read += one.read
    total.weight += one.weight
    total.stored += one.stored
    total.duplicates += one.duplicates
    total.resampled += one.resampled
    total.refused.update(one.refused)
    total.told = (total.told + one.told)[:TOLD]


def _second(at: datetime) -> datetime:
    """The whole second that `at` is in: windows begin and end at those, since timestamps are whole seconds."""
    return at.astimezone(UTC).replace(microsecond=0)
