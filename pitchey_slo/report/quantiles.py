"""What the percentiles report says: three answers to one question gathered once, and the words told from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from pitchey_slo.plots.theme import count
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import milliseconds, said

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench


NOTEBOOK: Final = "20_percentiles"


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Frames of `wb.percentile_methods`: `overall` has several quantiles, `over_time` and `by_route` the asked one."""

    quantile: float
    overall: pd.DataFrame
    over_time: pd.DataFrame
    by_route: pd.DataFrame
    incidents: pd.DataFrame
    deployments: pd.DataFrame
    start: datetime
    end: datetime
    bucket: str
    about: About

    def summary(self) -> Html:
        """The finding in a few sentences."""
        mine = self.overall[self.overall["quantile"] == self.quantile]
        if mine.empty:
            return told.paragraph("No duration was measured in this time.", kind="lead")
        row, name = mine.iloc[0], self.name
        known = self.over_time.dropna(subset=["histogram_error"])
        first = (
            f"The {name} of {count(row['measured'])} requests is {milliseconds(row['exact'])} when all of them are "
            f"sorted, {milliseconds(row['sketch'])} from the sketch and {milliseconds(row['histogram'])} as Prometheus "
            f"interpolates it: {_percent(row['sketch_error'])} and {_percent(row['histogram_error'])} off."
        )
        if known.empty:
            return told.paragraph(first, kind="lead")
        sketch, histogram = known["sketch_error"].abs().max(), known["histogram_error"].abs().max()
        second = (
            f"Bucket by bucket ({self.bucket}), the sketch was never further off than {sketch * 100:.2f} %, as it "
            f"promises; the interpolation was off by {known['histogram_error'].abs().median() * 100:.0f} % in half of "
            f"them and by up to {histogram * 100:.0f} %."
        )
        return told.paragraph(first, second, kind="lead") + told.paragraph(
            f"From {said(self.start)} to {said(self.end)}.", kind="quiet"
        )

    def facts(self) -> list[Fact]:
        """The asked quantile three ways, and how far off the two that estimate were."""
        mine = self.overall[self.overall["quantile"] == self.quantile]
        row: Mapping[Any, Any] = mine.iloc[0].to_dict() if len(mine) else {}
        worst = {n: _least(self.over_time[n].abs().max()) for n in ("sketch_error", "histogram_error")}
        return [
            Fact("exact", f"{self.name}, exact", _least(row.get("exact")), "ms", "down"),
            Fact("histogram", f"{self.name}, interpolated", _least(row.get("histogram")), "ms"),
            Fact("sketch_off", "sketch off by at most", worst["sketch_error"], "ratio", "down", 2),
            Fact("histogram_off", "interpolation off by at most", worst["histogram_error"], "ratio", "down", 0),
            Fact("measured", "requests measured", _least(row.get("measured"))),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about, {"one point for each": self.bucket})

    @property
    def name(self) -> str:
        return f"p{self.quantile * 100:g}"

    def table(self) -> Html:
        """The usual quantiles over the whole time."""
        return told.table(
            (Column("quantile"), *_ANSWERS),
            [(f"p{row['quantile'] * 100:g}", *_answers(row)) for row in self.overall.to_dict("records")],
            empty="no duration was measured",
        )

    def misled(self, most: int = 8) -> Html:
        """The routes where the interpolation is furthest off."""
        worst = self.by_route.reindex(self.by_route["histogram_error"].abs().sort_values(ascending=False).index)
        rows = [(str(row["route"]), *_answers(row)) for row in worst.head(most).to_dict("records")]
        return told.table((Column("route"), *_ANSWERS), rows, empty="no duration was measured")


_ANSWERS = (
    Column("exact", number=True, hint="all requests sorted, weighted by sampling"),
    Column("sketch", number=True, hint="from rollups, within 1 %"),
    Column("off by", number=True),
    Column("interpolated", number=True, hint="histogram_quantile of Prometheus"),
    Column("off by", number=True),
    Column("requests", number=True, hint="measured ones, by their weight"),
)


def quantiles(
    wb: Workbench, *, quantile: float = 0.95, window: str = "28d", where: str = "", end: Moment = None
) -> Quantiles:
    """Gather it: `window` up to `end` (None: the minute after the newest request), of the requests with `where`."""
    from pitchey_slo.slo.windows import duration_minutes

    minutes = duration_minutes(window)
    start, last = wb.span(None, end)
    start = last - timedelta(minutes=minutes)
    bucket = _bucket(minutes)
    usual: Sequence[float] = sorted({0.5, 0.9, 0.95, 0.99, quantile})
    only = where or None
    return Quantiles(
        quantile=quantile,
        overall=wb.percentile_methods(start, last, quantiles=usual, bucket=None, where=only),
        over_time=wb.percentile_methods(start, last, quantiles=[quantile], bucket=bucket, where=only),
        by_route=wb.percentile_methods(start, last, quantiles=[quantile], bucket=None, by="route", where=only),
        incidents=wb.incidents(start, last),
        deployments=wb.deployments(start, last),
        start=start,
        end=last,
        bucket=bucket,
        about=about(
            wb,
            NOTEBOOK,
            start=start,
            end=last,
            tables=["requests", "rollups"],
            parameters={"quantile": quantile, "window": window, "where": where, "end": end},
        ),
    )


def _bucket(minutes: int) -> str:
    """About 350 points, whatever the window."""
    sizes = (("5m", 1_800), ("15m", 5_400), ("1h", 22_000), ("2h", 43_200))
    return next((name for name, most in sizes if minutes <= most), "1d")


def _answers(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return (
        milliseconds(row["exact"]),
        milliseconds(row["sketch"]),
        _percent(row["sketch_error"]),
        milliseconds(row["histogram"]),
        _percent(row["histogram_error"]),
        count(row["measured"]),
    )


def _least(value: Any) -> float | None:
    """A number of a frame; None for a missing one."""
    return None if value is None or pd.isna(value) else float(value)


def _percent(error: float) -> str:
    return "–" if pd.isna(error) else f"{error * 100:+.1f} %".replace("-", "−")
