"""Prometheus text 0.0.4 and OpenMetrics 1.0 -> SampleBatch, fast for a target that is asked again and again.

The text of a series rarely changes between scrapes, so a parser keeps what each text meant: a line is split at its
last blank, the left part looked up, the right part turned into a number with all others at once. Only lines that were
never seen go through `grammar`. The split cannot mislead: a text is remembered only after the grammar read it as
exactly one whole series, and no prefix of a line that is not such a series can equal one that is.

Exemplars are checked, counted and dropped. `_created` lines are series like others, as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.collect.prometheus import grammar
from pitchey_slo.errors import CollectError, UnknownFormat
from pitchey_slo.series import Labels, Metadata, SampleBatch

OPENMETRICS: Final = "application/openmetrics-text"
TEXT: Final = "text/plain"

DROPPED: Final = -1
_NOT_VALUE: Final = re.compile(r"[^0-9eE+\-.nNaAiIfFtTyY\n]")
_NOT_WHOLE: Final = re.compile(r"[^0-9\-\n]")
_NOT_DECIMAL: Final = re.compile(r"[^0-9eE+\-.\n]")
_EMPTY: Final = np.empty(0, np.int64)

Finish = Callable[[Labels], Labels | None]


@dataclass(frozen=True, eq=False)
class Exposition:
    """One exposition read. `scraped` counts its sample lines, `dropped` those that `finish` left out, `exemplars` the
    exemplars left out. `timed[i]`: sample i brought its own time. `ids[i]`: the parser's own number of its series,
    the same in every exposition until `prune`."""

    batch: SampleBatch
    scraped: int
    dropped: int
    exemplars: int
    timed: NDArray[np.bool_]
    ids: NDArray[np.int64]


def is_openmetrics(content_type: str | None) -> bool:
    """Whether a Content-Type means OpenMetrics (else Prometheus text; also when there is none).

    Raises UnknownFormat for other types: a login page is not a list of metrics.
    """
    media = (content_type or TEXT).partition(";")[0].strip().lower()
    if media == OPENMETRICS:
        return True
    if media == TEXT:
        return False
    raise UnknownFormat(f"content type {content_type!r}; readable here: {OPENMETRICS} and {TEXT}")


def parse_text(body: bytes, *, now: int, content_type: str | None = None) -> SampleBatch:
    """A single exposition; samples without a time get `now` (milliseconds). For targets asked again keep a
    `TextParser`.

    >>> parse_text(b'up{job="api"} 1', now=0).labels
    [(('__name__', 'up'), ('job', 'api'))]
    """
    return TextParser().parse(body, now=now, openmetrics=is_openmetrics(content_type)).batch


class TextParser:
    """Reads the expositions of one target. `finish` turns labels as exposed into labels as stored, or None to drop
    the series; it is asked once per series, and may raise CollectError."""

    def __init__(self, finish: Finish | None = None) -> None:
        self.labels: list[Labels] = []
        self._finish = finish
        self._ids: dict[Labels, int] = {}
        self._known: dict[str, int] = {}
        self._comments: dict[str, grammar.Comment | None] = {}
        self.metadata: dict[str, Metadata] = {}

    def parse(self, body: bytes, *, now: int, openmetrics: bool = False) -> Exposition:
        """Reads a whole exposition. Raises CollectError naming line and column."""
        self.metadata = {}
        lines = decode(body).split("\n")
        if lines[-1] == "":
            lines.pop()
        if openmetrics:
            if not lines or lines[-1] != "# EOF":
                raise CollectError("the OpenMetrics text does not end with # EOF; was it cut off?")
            lines.pop()
        return self.parse_lines(lines, now=now, openmetrics=openmetrics)

    def parse_lines(self, lines: Sequence[str], *, now: int, openmetrics: bool, first: int = 1) -> Exposition:
        """Reads some lines (without `# EOF`), the first of which has number `first`. Metadata add up between calls."""
        read = self._split(lines, first, openmetrics, self._known.get)
        ts = values = None
        if read.ids:
            values, ts = _numbers(read.values), _stamps(read.times, openmetrics)
            if values is None or ts is None:  # a bad line, or a tab where a blank is usual: every line the exact way
                read = self._split(lines, first, openmetrics, _nothing)
                values, ts = _numbers(read.values), _stamps(read.times, openmetrics)
        if values is None or ts is None:
            return Exposition(self._batch(_EMPTY, _EMPTY, np.empty(0)), 0, 0, 0, np.empty(0, bool), _EMPTY)
        ids = np.array(read.ids, np.int64)
        stamps = np.full(len(ids), now, np.int64)
        own = np.zeros(len(ids), bool)
        stamps[read.timed], own[read.timed] = ts, True
        kept = ids >= 0
        dropped = len(ids) - int(np.count_nonzero(kept))
        if dropped:
            ids, stamps, values, own = ids[kept], stamps[kept], values[kept], own[kept]
        return Exposition(self._batch(ids, stamps, values), len(read.ids), dropped, read.exemplars, own, ids)

    def _split(self, lines: Sequence[str], first: int, openmetrics: bool, known: Callable[[str], int | None]) -> _Split:
        ids: list[int] = []
        values: list[str] = []
        timed: list[int] = []
        times: list[str] = []
        exemplars = 0
        for number, line in enumerate(lines, first):
            text, _, value = line.rpartition(" ")
            found = known(text)
            if found is not None:
                ids.append(found)
                values.append(value)
                continue
            if line.startswith("#"):
                self._comment(line, number)
                continue
            if not line or line.isspace():
                if openmetrics:
                    grammar.fail("OpenMetrics allows no empty lines", line, number, 0)
                continue
            text, _, middle = text.rpartition(" ")
            found = known(text)
            if found is not None:
                timed.append(len(ids))
                times.append(value)
                ids.append(found)
                values.append(middle)
                continue
            read = grammar.sample(line, number, openmetrics=openmetrics)
            if read.time is not None:
                timed.append(len(ids))
                times.append(read.time)
            exemplars += read.exemplar
            ids.append(self._learn(line, read))
            values.append(read.value)
        return _Split(ids, values, timed, times, exemplars)

    @property
    def remembered(self) -> int:
        """How much is kept: the most of series, texts of series and comments. Grows until `prune`."""
        return max(len(self.labels), len(self._known), len(self._comments))

    def prune(self, keep: NDArray[np.int64]) -> None:
        """Forgets all series but those numbered `keep` (no number twice); `keep[i]` becomes number i. Texts are learnt
        anew. For targets whose series come and go."""
        self.labels = [self.labels[old] for old in keep.tolist()]
        self._ids = {labels: i for i, labels in enumerate(self.labels)}
        self._known.clear()
        self._comments.clear()

    def _batch(self, ids: NDArray[np.int64], ts: NDArray[np.int64], value: NDArray[np.float64]) -> SampleBatch:
        used = np.bincount(ids, minlength=len(self.labels)) > 0
        if used.all():
            return SampleBatch(list(self.labels), ids, ts, value, dict(self.metadata))
        place = np.cumsum(used) - 1
        labels = [self.labels[i] for i in np.flatnonzero(used)]
        return SampleBatch(labels, place[ids].astype(np.int64), ts, value, dict(self.metadata))

    def _learn(self, line: str, read: grammar.Line) -> int:
        """The number of a series seen for the first time under this text."""
        labels = self._finish(read.labels) if self._finish else read.labels
        if labels is None:
            number = DROPPED
        elif (number := self._ids.setdefault(labels, len(self.labels))) == len(self.labels):
            self.labels.append(labels)
        # what stands before the last blank must be what the loop will look up: series text, perhaps more blanks
        if not read.exemplar and line[read.value_at - 1] == " ":
            self._known[line[: read.value_at - 1]] = number
        return number

    def _comment(self, line: str, number: int) -> None:
        if line in self._comments:
            said = self._comments[line]
        else:
            if line == "# EOF":
                grammar.fail("# EOF may stand only at the end, and only in OpenMetrics", line, number, 0)
            said = self._comments[line] = grammar.comment(line, number)
        if said is None:
            return
        known = self.metadata.get(said.family, _UNSAID)
        if said.kind == "TYPE":
            known = replace(known, type="unknown" if said.text == "untyped" else said.text)
        elif said.kind == "HELP":
            known = replace(known, help=said.text)
        else:
            known = replace(known, unit=said.text)
        self.metadata[said.family] = known


@dataclass(frozen=True, slots=True)
class _Split:
    """Lines taken apart: series numbers and value texts of all samples, places and texts of the times given."""

    ids: list[int]
    values: list[str]
    timed: list[int]
    times: list[str]
    exemplars: int


_UNSAID: Final = Metadata()


def _nothing(_text: str) -> None:
    """Knows no series."""


def decode(body: bytes, first: int = 1) -> str:
    """UTF-8 as text; raises CollectError with the number of the line that is not."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        line = first + body.count(b"\n", 0, error.start)
        raise CollectError(f"line {line}: not UTF-8 (byte {error.start + 1})", detail={"line": line}) from None


def _numbers(values: Sequence[str]) -> NDArray[np.float64] | None:
    """The values, or None when one is none. Python would read `1_000` too, hence the look at the characters."""
    if _NOT_VALUE.search("\n".join(values)):
        return None
    try:
        return np.array(list(map(float, values)), np.float64)
    except ValueError:
        return None


def _stamps(times: Sequence[str], openmetrics: bool) -> NDArray[np.int64] | None:
    """Milliseconds, or None when one is no time. OpenMetrics counts in seconds with decimals, text in milliseconds."""
    strange = _NOT_DECIMAL if openmetrics else _NOT_WHOLE
    if strange.search("\n".join(times)):
        return None
    try:
        if openmetrics:
            seconds = np.array(list(map(float, times)), np.float64)
            good = bool(np.all(np.abs(seconds) <= grammar.FAR_SECONDS))
            return np.rint(seconds * 1000).astype(np.int64) if good else None
        millis = list(map(int, times))
    except ValueError:
        return None
    return np.array(millis, np.int64) if all(len(t) <= 19 for t in times) and _fit(millis) else None


def _fit(millis: Sequence[int]) -> bool:
    return not millis or (min(millis) > -(10**18) and max(millis) < 10**18)
