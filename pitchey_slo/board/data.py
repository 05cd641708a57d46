"""Definition and time -> data of every widget.

    Board.parts()    one piece of work for each widget that is due; whoever runs them may do others' work in between
    Board.answer()   dashboard, version, range, watermark, newest, annotations, variables, widgets

A widget that fails says so in its own place and breaks nothing. What was made before and is still good is taken from
`Kept`: a line over a month has a new point every three hours, so it is not drawn anew every five seconds.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import orjson

from pitchey_slo.board import events, fill, shapes
from pitchey_slo.board.geography import places_of
from pitchey_slo.board.kept import Kept
from pitchey_slo.board.model import Definition, Query, Widget
from pitchey_slo.board.named import NAMED, Asked, given_of
from pitchey_slo.board.shared import Shared
from pitchey_slo.board.source import Source
from pitchey_slo.board.span import POINTS, SPARK_POINTS, TICK_MS, Span, last, seconds_of
from pitchey_slo.board.variables import options
from pitchey_slo.board.view import View, with_choices
from pitchey_slo.errors import PitcheyError, QueryError
from pitchey_slo.promql import Limits, Result, evaluate, instant
from pitchey_slo.promql.values import Grid

log = logging.getLogger(__name__)

Data = dict[str, Any]
#: What one query of a widget may take.
LIMITS: Final = Limits(points=2_000, series=20_000, samples=50_000_000, seconds=20.0)
#: Seconds between two answers of one widget: at least, at most where it shows right now, and at most where it shows
#: weeks.
SOONEST, LATE, LATEST = 4.0, 60.0, 300.0
#: Longer spans have no number of the one before, unless they are compared: it would cost as much again.
_LONG_MS: Final = 8 * 86_400_000
#: A span that ended so long ago changes no more than late rows change it.
_OVER_MS: Final = 600_000


class Board:
    """One dashboard at one moment. `parts` may run in any thread, one after the other."""

    def __init__(
        self, definition: Definition, source: Source, view: View, kept: Kept | None = None, version: int = 0
    ) -> None:
        self.definition, self.source, self.version = definition, source, version
        self._kept = kept or Kept()
        self._widgets: dict[str, Data] = {}
        self._options = options(definition, source, view, self._kept)
        self.view = with_choices(view, definition, self._options)
        self._shared = Shared(source.scan)

    def parts(self) -> list[Callable[[], None]]:
        """The work there is, widget by widget."""
        due = []
        for widget in self.definition.widgets():
            kept = self._kept.get(self._key(widget))
            if kept is not None:
                self._widgets[widget.id] = kept
            else:
                due.append(widget)
        for widget in due:
            for expr, grid in self._expressions(widget):
                self._shared.expect(expr, grid)
        return [lambda widget=widget: self._make(widget) for widget in due]  # type: ignore[misc]

    def answer(self) -> Data:
        """Everything, once the parts are done; before that what is ready, with the others named in `pending`. An answer
        that lacks something has an earlier watermark than the whole one, so that neither is taken for the other."""
        span, now_ms = self.view.span, self.view.now_ms
        ready = {w.id: data for w in self.definition.widgets() if (data := self._widgets.get(w.id)) is not None}
        pending = [w.id for w in self.definition.widgets() if w.id not in ready]
        told = {
            "dashboard": self.definition.name,
            "version": self.version,
            "range": {"start": span.start, "end": span.end, "step": span.step},
            "watermark": now_ms - len(pending),
            "newest": events.newest(self.source),
            "annotations": events.marks(self.source, span.start, max(span.end, now_ms)),
            "variables": [
                {"name": v.name, "label": v.label, "all": v.all, "text": v.text, "values": list(self._options[v.name]),
                 "chosen": list(self.view.chosen[v.name])}
                for v in self.definition.variables
            ],
            "widgets": ready,
        }  # fmt: skip
        return told | ({"pending": pending} if pending else {})

    def _make(self, widget: Widget) -> None:
        try:
            made = self._data(widget)
        except PitcheyError as error:
            made = {"error": {"reason": error.reason, "message": error.message}}
        except Exception as error:  # one widget that fails breaks nothing; the log has the traceback
            log.error("widget %s of %s: %s", widget.id, self.definition.name, error, exc_info=error)
            made = {"error": {"reason": "store_unavailable", "message": "something went wrong here; the log says what"}}
        made["unit"] = widget.unit
        made["hash"] = hashlib.blake2b(orjson.dumps(made), digest_size=8).hexdigest()
        self._widgets[widget.id] = made
        seconds = SOONEST if "error" in made else self._good_for(widget)
        self._kept.put(self._key(widget), made, seconds)

    def _data(self, widget: Widget) -> Data:
        if widget.type == "markdown":
            return {"text": widget.text}
        if widget.named:
            question = NAMED[widget.named]
            given = given_of(question, widget, self.view.chosen)
            return question.answer(Asked(self.source, self._span(widget), self.view.now, widget, given))
        return _SHAPES[widget.type](self, widget)

    # PromQL

    def _series(self, widget: Widget) -> Data:
        span = self._span(widget)
        made = shapes.series([(q, self._range(q, span)) for q in widget.queries])
        if self.view.compare:
            then = span.back(self.view.compare)
            compared = shapes.series([(q, self._range(q, then)) for q in widget.queries], self.view.compare)
            made["compare"] = compared["series"]
        return made

    def _number(self, widget: Widget) -> Data:
        query, span = widget.queries[0], self._span(widget)
        before = self._before(span)
        spark = self._range(query, span.thinned(SPARK_POINTS), spark=True)
        found = shapes.series([(query, spark)])
        return {
            "value": shapes.single(self._instant(query, span)),
            "previous": None if before is None else shapes.single(self._instant(query, before)),
            "spark": {"times": found["times"], "values": found["series"][0]["values"] if found["series"] else []},
        }

    def _bars(self, widget: Widget) -> Data:
        return shapes.bars(self._instants(widget))

    def _funnel(self, widget: Widget) -> Data:
        return shapes.funnel(self._instants(widget))

    def _table(self, widget: Widget) -> Data:
        return shapes.table(self._instants(widget), widget.unit)

    def _heatmap(self, widget: Widget) -> Data:
        span = self._span(widget).thinned(120)
        return shapes.heatmap([(q, self._range(q, span)) for q in widget.queries])

    def _map(self, widget: Widget) -> Data:
        return {"places": places_of(shapes.places(self._instants(widget)))}

    def _instants(self, widget: Widget) -> list[tuple[Query, Result]]:
        span = self._span(widget)
        return [(q, self._instant(q, span)) for q in widget.queries]

    def _instant(self, query: Query, span: Span) -> Result:
        return instant(self._filled(query, span), self._shared, self._moment(span), limits=LIMITS)

    def _range(self, query: Query, span: Span, *, spark: bool = False) -> Result:
        expr = self._filled(query, span, spark=spark)
        return evaluate(expr, self._shared, span.start, span.end, span.step, limits=LIMITS)

    def _filled(self, query: Query, span: Span, *, spark: bool = False) -> str:
        durations = span.durations()
        if spark:  # what the whole range adds up to, bit by bit
            durations |= {"__range": durations["__rate_interval"]}
        return fill.fill(query.expr, self.view.chosen, durations)

    def _moment(self, span: Span) -> int:
        """The moment an instant query is asked at: the newest whole tick of the span, not its last (older) step."""
        if self.view.absolute:
            return span.end
        shift = self.view.span.end - span.end if span.length == self.view.span.length else 0
        return self.view.now_ms // TICK_MS * TICK_MS - max(shift, 0)

    def _expressions(self, widget: Widget) -> list[tuple[str, Grid]]:
        """Everything a widget will ask, for `Shared`."""
        found: list[tuple[str, Grid]] = []
        span = self._span(widget)
        spans: list[tuple[Span, bool]] = []
        moments: list[Span] = []
        match widget.type:
            case "line" | "area":
                spans = [(span, False)] + ([(span.back(self.view.compare), False)] if self.view.compare else [])
            case "gauge" | "number":
                spans = [(span.thinned(SPARK_POINTS), True)]
                moments = [each for each in (span, self._before(span)) if each is not None]
            case "heatmap":
                spans = [(span.thinned(120), False)]
            case _:
                moments = [span]
        try:
            for query in widget.queries:
                for each, spark in spans:
                    grid = Grid(each.start, each.step, each.length // each.step + 1)
                    found.append((self._filled(query, each, spark=spark), grid))
                found += [(self._filled(query, each), Grid(self._moment(each), 1, 1)) for each in moments]
        except QueryError:  # told in the widget's place when it is asked
            return []
        return found

    def _span(self, widget: Widget) -> Span:
        """The dashboard's, or the widget's own, which ends with it."""
        if not widget.span:
            return self.view.span
        seconds = seconds_of(widget.span)
        return last(seconds, self.view.span.end if self.view.absolute else self.view.now_ms, POINTS)

    def _before(self, span: Span) -> Span | None:
        """What a number is compared with: the span that was asked for, else the one before."""
        if self.view.compare:
            return span.back(self.view.compare)
        return span.back(span.length) if span.length <= _LONG_MS else None

    def _good_for(self, widget: Widget) -> float:
        """Seconds until a widget is made anew."""
        if self.view.absolute and self.view.now_ms - self.view.span.end > _OVER_MS:
            return LATE
        if widget.named:
            return max(SOONEST, NAMED[widget.named].keep)
        span = self._span(widget)
        drawn = widget.type in ("line", "area", "heatmap") or span.length > _LONG_MS
        return min(max(SOONEST, span.step / 3_000), LATEST if drawn else LATE)

    def _key(self, widget: Widget) -> Hashable:
        span, view = self.view.span, self.view
        time_key: Hashable = (span.start, span.end) if view.absolute else span.length
        chosen = tuple(sorted(view.chosen.items()))
        return self.definition.name, self.version, _print_of(widget), time_key, view.compare, chosen


_SHAPES: Final[Mapping[str, Callable[[Board, Widget], Data]]] = {
    "line": Board._series,
    "area": Board._series,
    "number": Board._number,
    "gauge": Board._number,
    "bar": Board._bars,
    "table": Board._table,
    "funnel": Board._funnel,
    "heatmap": Board._heatmap,
    "map": Board._map,
}


def data(
    definition: Definition,
    source: Source,
    view: View,
    *,
    kept: Kept | None = None,
    version: int = 0,
) -> Data:
    """All of it at once: what a notebook and the tests ask."""
    board = Board(definition, source, view, kept, version)
    for part in board.parts():
        part()
    return board.answer()


def _print_of(widget: Widget) -> str:
    return hashlib.blake2b(repr(widget).encode(), digest_size=8).hexdigest()
