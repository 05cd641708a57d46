"""The scorer inside `serve`: catches up on history, then scores each step as it is over.

    history in slices of a day -> track.advance -> what is not stored yet -> samples
    every step: the same with a slice of one step (or of what was missed)

Detectors start from `history` before now, so that their scores do not depend on when the server was started by more
than what they have forgotten by then. Scores that are stored stay: a restart adds, and changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from pitchey_slo.analyse.watch.config import Watched, load_watched
from pitchey_slo.analyse.watch.track import Track, later
from pitchey_slo.errors import PitcheyError
from pitchey_slo.names import ANOMALY_SCORE, TICK_SECONDS
from pitchey_slo.promql import Matcher, Scan
from pitchey_slo.series import Labels, SampleBatch

log = logging.getLogger(__name__)

#: How old data are when they are scored: as for alert rules.
OFFSET_MS: Final = TICK_SECONDS * 1000
#: Time that is caught up on in one go, and the pause after it: everything else in the process comes first.
SLICE_MS: Final = 86_400_000
PAUSE: Final = 0.05
#: Seconds between looks at the clock and the file.
NAP: Final = 2.0
#: Seconds until scores must be stored; deliveries that wait for a store that refuses.
STORE_SECONDS: Final = 30.0
WAITING: Final = 1_000


class Sink(Protocol):
    """`Store.samples`, waited for."""

    def __call__(self, batch: SampleBatch, /, *, backfill: bool) -> None: ...


@dataclass
class _Turn:
    """One entry at work: the next step to score, what is stored, and why it stands still."""

    track: Track
    next_ms: int
    stored: dict[Labels, int] = field(default_factory=dict)
    error: str | None = None


class Watching:
    """`scan` answers queries from live data, `sink` stores; what is watched stands in `file`, read again when it
    changes. Runs in a thread of its own between `start` and `close`; `step` is what it does each time."""

    def __init__(self, file: Path, scan: Scan, sink: Sink, clock: Callable[[], datetime]) -> None:
        self._file, self._scan, self._sink, self._clock = file, scan, sink, clock
        self._turns: dict[Watched, _Turn] = {}
        self._seen: tuple[int, int] | None = None
        self._problem: str | None = None
        self._unsent: list[tuple[SampleBatch, bool]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Idempotent."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="anomalies", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Score no more; what is under way is finished first."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STORE_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                behind = self.step()
            except Exception:  # whatever it is, the next step may do better, and no alert waits for it
                log.exception("scoring anomalies")
                behind = False
            self._stop.wait(PAUSE if behind else NAP)

    def step(self) -> bool:
        """Score one slice of each entry. True when some entry still lags behind by more than a slice."""
        self._read()
        self._send()
        now = round(self._clock().timestamp() * 1000)
        behind = [self._advance(turn, now) for turn in list(self._turns.values()) if not self._stop.is_set()]
        return any(behind)

    def _read(self) -> None:
        """Take what the file says now; entries that stayed the same go on."""
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            seen = (0, 0)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            watched = load_watched(self._file)
        except PitcheyError as error:
            self._problem = str(error)
            log.error("anomalies are scored as before: %s", error)
            return
        self._problem = None
        self._turns = {each: self._turns.get(each) or self._begin(each) for each in watched}

    def _begin(self, watched: Watched) -> _Turn:
        now = round(self._clock().timestamp() * 1000)
        first = (now - watched.history) // watched.every * watched.every
        matchers = [Matcher("__name__", "=", ANOMALY_SCORE), Matcher("series", "=", watched.name)]
        block = self._scan.select(matchers, first, now)
        ends = block.offsets[1:] - 1
        stored = {labels: int(block.ts[end]) for labels, end in zip(block.labels, ends.tolist(), strict=True)}
        return _Turn(Track(watched), first, stored)

    def _advance(self, turn: _Turn, now: int) -> bool:
        every = turn.track.watched.every
        due = (now - OFFSET_MS) // every * every
        last = min(due, turn.next_ms + SLICE_MS)
        if last < turn.next_ms:
            return False
        try:
            scored = turn.track.advance(self._scan, turn.next_ms, last)
        except PitcheyError as error:
            if turn.error is None:
                log.warning("anomalies of %s are not scored: %s", turn.track.watched.name, error)
            turn.error = str(error)
            if due - turn.next_ms > SLICE_MS:  # a day that cannot be asked for is left out; now is what matters
                turn.next_ms = last + every
            return False
        turn.error, turn.next_ms = None, last + every
        self._unsent.append((later(scored, turn.stored), last < due))
        for labels, value in zip(scored.labels, _lasts(scored), strict=True):
            turn.stored[labels] = max(value, turn.stored.get(labels, 0))
        self._send()
        return last < due

    def _send(self) -> None:
        """Store what waits, oldest first; what is refused waits for the next time."""
        while self._unsent:
            batch, old = self._unsent[0]
            if len(batch):
                try:
                    self._sink(batch, backfill=old)
                except (PitcheyError, TimeoutError) as error:
                    log.warning("scores wait to be stored: %s", error)
                    if len(self._unsent) > WAITING:
                        self._unsent.pop(0)
                    return
            self._unsent.pop(0)

    def told(self) -> list[dict[str, Any]]:
        """Per entry: what it watches, how far it is, its latest scores, and why it stands still if it does."""
        return [_told(turn) for turn in list(self._turns.values())]

    @property
    def problem(self) -> str | None:
        """Why the file was not taken; None when it was."""
        return self._problem


def _lasts(scored: SampleBatch) -> list[int]:
    """Time of the last sample of each series of a delivery; each has one, by increasing time."""
    found: dict[int, int] = dict(zip(scored.series.tolist(), scored.ts.tolist(), strict=True))
    return [found[i] for i in range(len(scored.labels))]


def _told(turn: _Turn) -> dict[str, Any]:
    watched, latest = turn.track.watched, dict(turn.track.latest)
    until = turn.next_ms - watched.every
    return {
        "series": watched.name,
        "expr": watched.expr,
        "detectors": list(watched.detectors),
        "every_seconds": watched.every / 1000,
        "scored_until": datetime.fromtimestamp(until / 1000, UTC),
        "scores": [{"labels": _shown(labels), "score": None if value != value else value}
                   for labels, value in sorted(latest.items())],
        "error": turn.error,
    }  # fmt: skip


def _shown(labels: Labels) -> Mapping[str, str]:
    return {name: value for name, value in labels if name not in ("__name__", "series")}
