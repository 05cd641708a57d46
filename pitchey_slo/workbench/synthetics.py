"""What the synthetic tests found: uptime, history, review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitchey_slo.workbench.lake import Lake
from pitchey_slo.workbench.moments import Moment, parse_time

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.analyse.synthetic import History, Reviewed
    from pitchey_slo.probe.synthetic.quorum import Target


#: Columns of `Workbench.uptime`.
_UPTIME = ("test", "location", "uptime", "reachability", "covered", "at_least", "looks", "failed", "outages",
           "down_seconds", "mttr_seconds", "maintenance_seconds", "outage_times")  # fmt: skip


class Synthetics(Lake):
    """Uptime and history of synthetic tests."""

    def uptime(self, start: Moment = None, end: Moment = None, *, test: str | None = None) -> pd.DataFrame:
        """How much of the time synthetic tests were up: one row per test and location, and per test for all of them
        together (location `quorum`). Of the last 28 days before the newest result, unless told otherwise.

        uptime         share of the time in which something is known that it was not down; NaN when nothing is known
        reachability   share of the looks that passed;   looks, failed: how many
        covered        share of the time in which something is known: what is missing is not up
        at_least       the uptime if all that is missing was down
        outages, outage_times   how many, and each with start, end, failure, reason, open; mttr_seconds: mean of those
                       that ended

        See docs/synthetics.md, "Uptime".
        """
        import pandas as pd

        from pitchey_slo.analyse.synthetic import uptime_rows

        return pd.DataFrame(uptime_rows(self.synthetic_history(start, end, test=test).uptimes()), columns=_UPTIME)

    def synthetic_history(self, start: Moment = None, end: Moment = None, *, test: str | None = None) -> History:
        """What `uptime` is made from, as values."""
        from pitchey_slo.analyse.synthetic import history
        from pitchey_slo.probe.synthetic.quorum import Policy

        first, last = self.span(start, parse_time(end, "end") or self.newest_minute("probes"))
        policy = Policy(share=self.settings.quorum)
        return history(self.reader, first, last, test=test, targets=self.synthetic_targets(), policy=policy)

    def synthetic_review(self, start: Moment = None, end: Moment = None) -> Reviewed:
        """What weeks of synthetic tests say: uptimes, outages, phases, failure classes, flaky tests, what to change.
        See `pitchey_slo.analyse.synthetic`."""
        from pitchey_slo.analyse.synthetic import review
        from pitchey_slo.probe.synthetic.quorum import Policy

        first, last = self.span(start, parse_time(end, "end") or self.newest_minute("probes"))
        policy = Policy(share=self.settings.quorum)
        return review(self.reader, first, last, targets=self.synthetic_targets(), policy=policy)

    def synthetic_targets(self) -> dict[str, Target]:
        """What the tests of config/synthetics, and those that were added over the API, look at."""
        from pitchey_slo.probe.synthetic.reader import read
        from pitchey_slo.probe.synthetic.shelf import FOLDER, Shelf

        rows = self.reader.query("SELECT id, definition, added_by FROM synthetics WHERE removed_at IS NULL")
        tests, _ = Shelf(self.settings.config / FOLDER, read).current(rows.to_pylist())
        return {name: each.target(self.settings.api_base_url) for name, each in tests.items()}
