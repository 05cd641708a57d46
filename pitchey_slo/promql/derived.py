"""Series that are not stored: computed from events when a query asks, with a sample at every whole 15 s.

A counter at tick t is the sum of everything up to t since the oldest row, so history loaded today has its series at its
own times, a late event is where it belongs, and a restart resets nothing. Sums of what lies before the day a query
starts in are kept per file of the lake, and files never change. Every series of a metric has a sample at every tick
from the oldest data (where it is 0) to the newest; after that it ends, since no data is not zero.

Where series times ticks would exceed `POINTS`, ticks are taken every 30, 45 or 60 s; beyond that the query is refused.
With `needs`, labels nobody looks at are summed over first, which makes such queries rare."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Final

import numpy as np
import pyarrow as pa

from pitchey_slo.errors import QueryError
from pitchey_slo.names import TICK_SECONDS
from pitchey_slo.promql import labels as lb
from pitchey_slo.promql.derived_metrics import BOUND_SQL, EVENTS, LE, METRICS, ActiveUsers, Counter, Metric, clock_of
from pitchey_slo.promql.labels import Labels
from pitchey_slo.promql.rows import Rows, moment
from pitchey_slo.promql.scan import Floats, Ints, SeriesBlock, block_of, matching
from pitchey_slo.promql.tree import Matcher
from pitchey_slo.tables import ROLLUPS

#: Samples one selector may compute: 16 bytes each.
POINTS: Final = 30_000_000
#: Ticks that may be left out between two: a window of five minutes must hold a few samples.
COARSEST: Final = 4

TICK_MS: Final = TICK_SECONDS * 1_000
_DAY_MS: Final = 86_400_000


class DerivedSeries:
    """All derived series over one pair of stores. For one thread."""

    def __init__(self, rows: Rows, points: int = POINTS) -> None:
        self._rows = rows
        self._points = points
        self._sums: dict[tuple[str, str], pa.Table] = {}  # (metric, file) -> sums by all labels

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock:
        """As `Scan.select`; see `LakeScan.select` for `needs`."""
        blocks = [self._one(metric, matchers, start_ms, end_ms, needs) for metric in _named(matchers)]
        return together(blocks)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Labels of the derived series that have samples in that time."""
        found: list[Labels] = []
        for metric in _named(matchers):
            with self._snapshot(metric, start_ms, end_ms):
                grid = ticks(self._rows, start_ms, end_ms, clock_of(metric.table))
                if not len(grid) or not _possible(metric, matchers):
                    continue
                if isinstance(metric, ActiveUsers):
                    found.append(lb.make({lb.NAME: metric.name}))
                    continue
                cells = self._counted(metric, matchers, tuple(metric.labels), int(grid[-1]), int(grid[-1]))
                sets, _ = _label_sets(cells, tuple(metric.labels), metric.name)
                bounds = _bounds(matchers)
                found += [lb.put(labels, "le", LE[i]) for labels in sets for i in bounds] if metric.bounds else sets
        return sorted(found)

    def _one(
        self, metric: Metric, matchers: Sequence[Matcher], start_ms: int, end_ms: int, needs: Collection[str] | None
    ) -> SeriesBlock:
        if not _possible(metric, matchers):
            return block_of([])
        with self._snapshot(metric, start_ms, end_ms):
            grid = ticks(self._rows, start_ms, end_ms, clock_of(metric.table))
            if not len(grid):
                return block_of([])
            if isinstance(metric, ActiveUsers):
                return dense([lb.make({lb.NAME: metric.name})], grid, self._users(metric, grid)[None, :])
            keep = tuple(name for name in metric.labels if needs is None or name in needs)
            cells = self._counted(metric, matchers, keep, int(grid[0]), int(grid[-1]))
        sets, place = _label_sets(cells, keep, metric.name)
        if not sets:
            return block_of([])
        bounds = _bounds(matchers)
        per_set = len(bounds) if metric.bounds else 1
        grid = self._ticks_within(metric, grid, len(sets) * per_set)
        tick, value = cells["tick"].to_numpy(), cells["value"].to_numpy()
        column = np.clip(-((grid[0] - tick) // (grid[1] - grid[0] if len(grid) > 1 else TICK_MS)), 0, None)
        inside = column < len(grid)
        shape = (len(sets), len(LE) if metric.bounds else 1, len(grid))
        bound = cells["bound"].to_numpy() if metric.bounds else 0
        flat = (place * shape[1] + bound) * shape[2] + column
        steps = np.bincount(flat[inside], weights=value[inside], minlength=shape[0] * shape[1] * shape[2])
        table: Floats = np.cumsum(steps.astype(np.float64, copy=False).reshape(shape), axis=2)
        if not metric.bounds:
            return dense(sets, grid, table[:, 0, :])
        table = np.cumsum(table, axis=1)[:, bounds, :]
        if needs is not None and "le" not in needs:
            return dense(sets, grid, table.sum(axis=1))
        labels = [lb.put(pairs, "le", LE[i]) for pairs in sets for i in bounds]
        return dense(labels, grid, table.reshape(len(labels), -1))

    def _snapshot(self, metric: Metric, start_ms: int, end_ms: int) -> AbstractContextManager[None]:
        # counters need everything up to the end, users the window before the start; times of a clock's tables say where
        # data begin and end
        tables = {*clock_of(metric.table), metric.table}
        early = metric.seconds * 1_000 if isinstance(metric, ActiveUsers) else start_ms
        return self._rows.snapshot(sorted(tables), start_ms - early, end_ms)

    def _ticks_within(self, metric: Metric, grid: Ints, series: int) -> Ints:
        """The same times, thinned to what one query may compute. Raises QueryError."""
        for every in range(1, COARSEST + 1):
            thin = grid[grid % (every * TICK_MS) == 0] if every > 1 else grid
            if series * len(thin) <= self._points:
                return thin
        raise QueryError(
            f"{metric.name}: {series:,} series, one sample a minute, are {series * len(thin):,} samples, the limit "
            f'is {self._points:,}; ask for less time, or add matchers such as {{route="..."}}'
        )

    def _counted(
        self, metric: Counter, matchers: Sequence[Matcher], keep: tuple[str, ...], first_ms: int, last_ms: int
    ) -> pa.Table:
        """Columns `keep`, `bound` (histogram), `tick` and `value`: what each tick adds; all before comes as `first`."""
        midnight = 0 if self._rows.reader.remote else first_ms // _DAY_MS * _DAY_MS
        expressions = [f"coalesce({metric.labels[name]}, '') AS {name}" for name in keep]
        expressions += [f"{BOUND_SQL} AS bound"] if metric.bounds else []
        source = self._rows.source(metric.table, midnight, last_ms, fresh_from_ms=0)
        where = self._where(metric, matchers, source)
        recent = self._rows.query(
            f"""
            SELECT {"".join(e + ", " for e in expressions)}{_tick_sql(metric.table)} AS tick, {metric.value} AS value
            FROM {source} WHERE {metric.condition} AND {where} GROUP BY ALL
            """
        )
        sums = self._file_sums(metric, midnight)
        if sums is None:
            return recent
        names = [*keep, *(["bound"] if metric.bounds else [])]
        chosen = (
            " AND ".join(_condition(m, m.name, self._texts(sums, m)) for m in _on_labels(metric, matchers)) or "true"
        )
        base = self._rows.reader.beside(
            "file_sums",
            sums,
            f"SELECT {''.join(n + ', ' for n in names)}{first_ms}::BIGINT AS tick, sum(value) AS value "
            # nothing to add up is no row: without a column to group by it would be one with null, and NaN ever after
            f"FROM file_sums WHERE {chosen} GROUP BY ALL HAVING count(*) > 0",
        )
        return pa.concat_tables([base.cast(recent.schema), recent])

    def _file_sums(self, metric: Counter, before_ms: int) -> pa.Table | None:
        """Sums by all labels of the files that end before that time; each file is summed once."""
        paths = self._rows.reader.files(metric.table, moment(before_ms)) if before_ms else []
        if not paths:
            return None
        new = [path for path in paths if (metric.name, path) not in self._sums]
        if new:
            expressions = [f"coalesce({text}, '') AS {name}" for name, text in metric.labels.items()]
            expressions += [f"{BOUND_SQL} AS bound"] if metric.bounds else []
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in new)
            found = self._rows.query(
                f"""
                SELECT filename, {"".join(e + ", " for e in expressions)}{metric.value} AS value
                FROM read_parquet([{listed}], hive_partitioning=false, filename=true)
                WHERE {metric.condition} GROUP BY ALL ORDER BY filename
                """
            )
            names = np.asarray(found["filename"].to_pylist(), dtype=object)
            sums = found.drop_columns(["filename"])
            for path in new:
                low, high = np.searchsorted(names, path, "left"), np.searchsorted(names, path, "right")
                self._sums[metric.name, path] = sums.slice(low, high - low)
        if len(self._sums) > 20_000:  # files that compaction replaced; what is needed is soon there again
            self._sums = {key: table for key, table in self._sums.items() if key[1] in set(paths)}
        return pa.concat_tables([self._sums[metric.name, path] for path in paths])

    def _where(self, metric: Counter, matchers: Sequence[Matcher], source: str) -> str:
        """The matchers as a condition on rows; patterns are decided on the distinct values of their column."""
        conditions = []
        for matcher in _on_labels(metric, matchers):
            text = f"coalesce({metric.labels[matcher.name]}, '')"
            values: list[str] = []
            if matcher.op in ("=~", "!~"):
                found = self._rows.query(f"SELECT DISTINCT {text} AS value FROM {source} WHERE {metric.condition}")
                values = found["value"].to_pylist()
            conditions.append(_condition(matcher, text, values))
        return " AND ".join(conditions) or "true"

    def _texts(self, sums: pa.Table, matcher: Matcher) -> list[str]:
        return sums[matcher.name].unique().to_pylist() if matcher.op in ("=~", "!~") else []

    def _users(self, metric: ActiveUsers, grid: Ints) -> Floats:
        """Distinct users in (t - window, t] for each t: a user counts from a tick with a request until the window after
        it has passed or the next such tick takes over."""
        window = metric.seconds * 1_000
        low, high = int(grid[0]) - window, int(grid[-1])
        found = self._rows.query(
            f"""
            WITH seen AS (
                SELECT DISTINCT user_hash, {_tick_sql(metric.table)} AS tick
                FROM {self._rows.source(metric.table, low, high)} WHERE user_hash IS NOT NULL
            ), spans AS (
                SELECT tick, least(tick + {window}, coalesce(lead(tick) OVER (PARTITION BY user_hash ORDER BY tick),
                       tick + {window})) AS gone
                FROM seen
            )
            SELECT edge, sum(step)::BIGINT AS step
            FROM (SELECT tick AS edge, 1 AS step FROM spans UNION ALL SELECT gone, -1 FROM spans) GROUP BY edge
            """
        )
        column = np.clip(-((grid[0] - found["edge"].to_numpy()) // TICK_MS), 0, None)
        inside = column < len(grid)
        steps = np.bincount(column[inside], weights=found["step"].to_numpy()[inside], minlength=len(grid))
        return np.cumsum(steps).astype(np.float64)


def ticks(rows: Rows, start_ms: int, end_ms: int, tables: Sequence[str] = EVENTS) -> Ints:
    """Times of the samples of event series in [start, end]: from the tick before the oldest event of `tables` to that
    of the newest. Inside a snapshot of them."""
    step = TICK_MS
    spans = [rows.span_ms(name) for name in tables]
    known = [span for span in spans if span is not None]
    if not known:
        return np.empty(0, np.int64)
    first = min(_tick(low) for low, _ in known) - TICK_MS
    last = max(_tick(high) for _, high in known)
    low = -(-max(start_ms, first) // step) * step
    return np.arange(low, min(end_ms, last) + 1, step, dtype=np.int64)


def _named(matchers: Sequence[Matcher]) -> list[Metric]:
    """Metrics whose name fulfils the matchers on it."""
    names = list(METRICS)
    keep = np.ones(len(names), np.bool_)
    for matcher in matchers:
        if matcher.name == lb.NAME:
            keep &= matching(matcher, names)
    return [METRICS[name] for name, hit in zip(names, keep, strict=True) if hit]


def _on_labels(metric: Counter, matchers: Sequence[Matcher]) -> list[Matcher]:
    return [matcher for matcher in matchers if matcher.name in metric.labels]


def _possible(metric: Metric, matchers: Sequence[Matcher]) -> bool:
    """Whether the matchers on labels the metric does not have, and on `le`, leave anything."""
    own = {lb.NAME, *metric.labels}
    if isinstance(metric, Counter) and metric.bounds:
        return bool(len(_bounds(matchers))) and _absent([m for m in matchers if m.name not in own | {"le"}])
    return _absent([m for m in matchers if m.name not in own])


def _absent(matchers: Sequence[Matcher]) -> bool:
    return all(bool(matching(matcher, [""])[0]) for matcher in matchers)


def _bounds(matchers: Sequence[Matcher]) -> Ints:
    """Positions in LE that the matchers on `le` choose."""
    keep = np.ones(len(LE), np.bool_)
    for matcher in matchers:
        if matcher.name == "le":
            keep &= matching(matcher, LE)
    return np.flatnonzero(keep)


def _condition(matcher: Matcher, text: str, values: Sequence[str]) -> str:
    """SQL condition of one matcher on the expression `text`; `values` are those there are, for patterns."""
    if matcher.op in ("=", "!="):
        return f"{text} {'=' if matcher.op == '=' else '<>'} {_quoted(matcher.value)}"
    hits = [_quoted(value) for value, hit in zip(values, matching(matcher, values), strict=True) if hit]
    return f"{text} IN ({', '.join(hits)})" if hits else "false"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _tick_sql(table: str) -> str:
    """SQL expression: the tick of a row, in milliseconds."""
    if table == ROLLUPS.name:
        return "epoch_ms(tick)"
    return f"(epoch_us(ts) + {TICK_MS * 1_000 - 1}) // {TICK_MS * 1_000} * {TICK_MS}"


def _tick(ms: int) -> int:
    return -(-ms // TICK_MS) * TICK_MS


def _label_sets(cells: pa.Table, keep: tuple[str, ...], name: str) -> tuple[list[Labels], Ints]:
    """The label sets there are, and the place of each row's among them."""
    code = np.zeros(cells.num_rows, np.int64)
    values: list[list[str]] = []
    for column in keep:
        encoded = cells[column].combine_chunks().dictionary_encode()
        values.append(encoded.dictionary.to_pylist())
        code = code * max(len(values[-1]), 1) + encoded.indices.to_numpy()
    distinct, place = np.unique(code, return_inverse=True)
    sets = []
    for number in distinct.tolist():
        pairs = {lb.NAME: name}
        for column, texts in zip(reversed(keep), reversed(values), strict=True):
            number, at = divmod(number, len(texts))
            pairs[column] = texts[at]
        sets.append(lb.make(pairs))
    return sets, place.astype(np.int64)


def together(blocks: Sequence[SeriesBlock]) -> SeriesBlock:
    """The series of all blocks as one."""
    blocks = [block for block in blocks if block.labels]
    if len(blocks) == 1:
        return blocks[0]
    return block_of(
        (
            labels,
            block.ts[block.offsets[i] : block.offsets[i + 1]],
            block.values[block.offsets[i] : block.offsets[i + 1]],
        )
        for block in blocks
        for i, labels in enumerate(block.labels)
    )


def dense(labels: list[Labels], grid: Ints, values: Floats) -> SeriesBlock:
    """A block of series that all have a sample at each time, sorted by labels."""
    order = sorted(range(len(labels)), key=labels.__getitem__)
    if order != list(range(len(labels))):
        values = values[order]
    return SeriesBlock(
        [labels[i] for i in order],
        np.tile(grid, len(labels)),
        np.ascontiguousarray(values).reshape(-1),
        np.arange(len(labels) + 1, dtype=np.int64) * len(grid),
    )
