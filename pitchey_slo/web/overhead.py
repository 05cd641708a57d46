"""What the workbench spends on itself, as series like any other: PromQL, rules, boards and reports see them, after a
restart as well.

Every fifteen seconds the numbers of `Meter` and those that the other parts count are stored. What has not changed is
stored once a minute only: most of it stands still, and a lookback of five minutes does not mind. A counter begins with
a zero at the time of the look before, so that what it counted until it was first seen, also after a restart, is an
increase like any other.

Nothing here judges: the watchdog says when the workbench is blind, rules may compare these series with whatever is
thought too much. The numbers are those of this process and of the dashboards' one; reports run in processes of their
own, which are not in them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pitchey_slo.alert.told import Status
from pitchey_slo.series import Labels, SampleBatch
from pitchey_slo.store import Disk, Effort, Store
from pitchey_slo.web.alerting import Alerting
from pitchey_slo.web.meter import PREFIX, Fact
from pitchey_slo.web.series import Series

log = logging.getLogger(__name__)

#: Seconds between looks, looks after which everything is stored again, seconds between looks at the lake's files.
EVERY: Final = 15.0
FULL: Final = 4
LOOK_AT_DISK: Final = 300.0
#: Seconds a store that is busy may take.
PATIENCE: Final = 10.0
_COUNTED: Final = ("_total", "_count", "_sum", "_bucket")


class Overhead:
    """One per application; `start` when the store is open. `processes` gives the processes to look at, by name, and
    `viewers` how many pages of dashboards are open (None: unknown)."""

    def __init__(
        self,
        series: Series,
        alerting: Alerting,
        *,
        processes: Callable[[], Mapping[str, int]] = lambda: {"server": os.getpid()},
        viewers: Callable[[], int | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._series, self._alerting = series, alerting
        self._processes, self._viewers, self._monotonic = processes, viewers, monotonic
        self._disk: tuple[float, Disk] | None = None
        self._last: dict[Labels, float] = {}
        self._looks = 0
        self._before_ms = 0
        self._spent = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._thread is not None:
            return
        house, meter = self._series.house, self._series.meter
        store = house.opened()
        self._before_ms = round(house.clock().timestamp() * 1_000)
        meter.ask(lambda: of_store(store.effort(), self._disk_of(store)))
        meter.ask(lambda: of_rules(self._alerting.engine.status()))
        meter.ask(lambda: of_channels(self._alerting.outbox.status()))
        meter.ask(lambda: of_scrubbing(store.scrubber.counts()))
        meter.ask(lambda: of_reports(store))
        meter.ask(lambda: (fact for name, pid in self._processes().items() for fact in of_process(name, pid)))
        meter.ask(self._of_myself)
        self._thread = threading.Thread(target=self._work, name="overhead", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look once more, and stop; the store is still open."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(PATIENCE + 5)

    def look(self) -> int:
        """Store what changed; returns how many samples were sent."""
        begun = time.thread_time()
        house = self._series.house
        store, now = house.opened(), round(house.clock().timestamp() * 1_000)
        batch = self._series.meter.newest(now, store.status(), self._series.queries.running)
        news = self.changed(batch, now)
        waiting = store.samples(news)
        self._spent += time.thread_time() - begun
        waiting.result(PATIENCE)
        return len(news)

    def changed(self, batch: SampleBatch, now_ms: int) -> SampleBatch:
        """Of `batch` what is to be stored: everything at each fourth look, else what changed; zeros before counters
        that are new."""
        everything = self._looks % FULL == 0
        kept = [i for i, labels in enumerate(batch.labels) if everything or self._last.get(labels) != batch.value[i]]
        begun = [
            i
            for i in kept
            if batch.labels[i] not in self._last and name_of(batch.labels[i]).endswith(_COUNTED) and batch.value[i] > 0
        ]
        begun = begun if self._before_ms < now_ms else []
        self._last |= dict(zip(batch.labels, batch.value.tolist(), strict=True))
        self._looks += 1
        before, self._before_ms = self._before_ms, now_ms
        place = {i: n for n, i in enumerate(kept)}
        return SampleBatch(
            [batch.labels[i] for i in kept],
            np.array([*(place[i] for i in begun), *range(len(kept))], np.int64),
            np.array([before] * len(begun) + [now_ms] * len(kept), np.int64),
            np.concatenate([np.zeros(len(begun)), batch.value[kept]]) if kept else np.empty(0),
        )

    def _work(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(EVERY)
            try:
                self.look()
            except Exception as error:  # noqa: BLE001  # the store may be busy or reopening: the next look comes
                log.warning("own metrics were not stored: %s: %s", type(error).__name__, error)

    def _disk_of(self, store: Store) -> Disk:
        now = self._monotonic()
        if self._disk is None or now - self._disk[0] >= LOOK_AT_DISK:
            self._disk = now, store.disk()
        return self._disk[1]

    def _of_myself(self) -> Iterator[Fact]:
        yield f"{PREFIX}overhead_seconds_total", {}, self._spent
        if (viewers := self._viewers()) is not None:
            yield f"{PREFIX}dashboard_viewers", {}, viewers


def name_of(labels: Labels) -> str:
    return dict(labels)["__name__"]


def of_store(effort: Effort, disk: Disk) -> Iterator[Fact]:
    for name in ("commits", "commit_seconds", "commit_bytes", "commit_rows", "flush_seconds"):
        yield f"{PREFIX}{name}_total", {}, getattr(effort, name)
    yield f"{PREFIX}flushes_total", {"outcome": "done"}, effort.flushes - effort.flushes_failed
    yield f"{PREFIX}flushes_total", {"outcome": "failed"}, effort.flushes_failed
    yield f"{PREFIX}series", {}, effort.series
    yield f"{PREFIX}hot_bytes", {"part": "data"}, disk.hot
    yield f"{PREFIX}hot_bytes", {"part": "wal"}, disk.wal
    for table, size in disk.lake.items():
        yield f"{PREFIX}lake_bytes", {"table": table}, size
    for table, files in disk.files.items():
        yield f"{PREFIX}lake_files", {"table": table}, files


def of_rules(status: Status) -> Iterator[Fact]:
    for key, turn in status.turns.items():
        file, _, group = key.rpartition(";")
        yield f"{PREFIX}evaluations_total", {"group": group, "file": file}, turn.evaluations
        yield f"{PREFIX}evaluations_missed_total", {"group": group, "file": file}, turn.missed
    for key, run in status.runs.items():
        file, _, group = key.rpartition(";")
        yield f"{PREFIX}evaluation_seconds", {"group": group, "file": file}, run.seconds
        yield f"{PREFIX}evaluation_late_seconds", {"group": group, "file": file}, max(0.0, run.due.late) + run.seconds
    yield f"{PREFIX}rules_failing", {}, sum(health.error is not None for health in status.health.values())


def of_channels(channels: Mapping[str, Mapping[str, Any]]) -> Iterator[Fact]:
    for channel, told in channels.items():
        yield f"{PREFIX}notifications_waiting", {"channel": channel}, told["waiting"]
        for outcome in ("sent", "failed", "dead", "merged", "dropped"):
            yield f"{PREFIX}notifications_total", {"channel": channel, "outcome": outcome}, told[outcome]


def of_scrubbing(counts: Mapping[tuple[str, str], int]) -> Iterator[Fact]:
    for (rule, source), times in counts.items():
        yield "pitchey_scrubbed_total", {"rule": rule, "source": source}, times


def of_reports(store: Store) -> Iterable[Fact]:
    rows = store.query("SELECT notebook, status, count(*) AS n FROM report_runs GROUP BY ALL").to_pylist()
    return [(f"{PREFIX}report_runs", {"notebook": r["notebook"], "status": r["status"]}, r["n"]) for r in rows]


def of_process(name: str, pid: int) -> Iterator[Fact]:
    """What Linux says of a process (proc(5)); nothing elsewhere, or when it ended."""
    folder, labels = Path("/proc") / str(pid), {"process": name}
    try:
        # the second field is the program's name, which may hold blanks and brackets
        fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        files = sum(1 for _ in (folder / "fd").iterdir())
    except OSError:
        return
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    yield f"{PREFIX}process_cpu_seconds_total", labels, (int(fields[11]) + int(fields[12])) / ticks
    yield f"{PREFIX}process_threads", labels, int(fields[17])
    yield f"{PREFIX}process_resident_bytes", labels, int(fields[21]) * page
    yield f"{PREFIX}process_open_files", labels, files
