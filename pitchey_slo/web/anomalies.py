"""Scores of watched series: the scorer beside alerting, and what it says now."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pitchey_slo.analyse.watch.config import FILE
from pitchey_slo.analyse.watch.watching import STORE_SECONDS, Watching
from pitchey_slo.series import SampleBatch
from pitchey_slo.web.auth import needs
from pitchey_slo.web.errors import answer
from pitchey_slo.web.house import House
from pitchey_slo.web.series import Series

router = APIRouter(tags=["anomalies"])


class Anomalies:
    """One per application; nothing runs before `start`."""

    def __init__(self, house: House, series: Series) -> None:
        self._house, self._series = house, series
        self.watching: Watching | None = None

    def start(self) -> None:
        """Begin to score, once the store is open."""
        store = self._house.opened()

        def sink(batch: SampleBatch, /, *, backfill: bool) -> None:
            receipt = store.samples(batch, backfill=backfill).result(STORE_SECONDS)
            self._series.taken("anomalies", batch, receipt)

        file = self._house.settings.config / FILE
        self.watching = Watching(file, self._series.scan(), sink, self._house.clock)
        self.watching.start()

    def close(self) -> None:
        if self.watching is not None:
            self.watching.close()


@router.get("/api/monitoring/anomalies", **needs("read"))
async def anomalies(request: Request) -> Response:
    """What is watched, how far it is scored, and the latest scores."""
    watching = request.app.state.anomalies.watching
    told = [] if watching is None else watching.told()
    return answer({"watched": told, "problem": None if watching is None else watching.problem})
