"""What people write down: incidents, corrections, decisions about rules."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pitchey_slo.errors import QueryError
from pitchey_slo.tables import INCIDENTS
from pitchey_slo.workbench.asking import Asking
from pitchey_slo.workbench.moments import Moment, parse_time

if TYPE_CHECKING:
    import pandas as pd

    from pitchey_slo.analyse.review import Proposal, Review


class Writing(Asking):
    """Labels, corrections and decisions: written through the server when one runs."""

    def label_incident(
        self,
        title: str,
        started_at: Moment,
        ended_at: Moment = None,
        *,
        kind: str = "other",
        severity: str = "warning",
        routes: str | None = None,
        location: str | None = None,
        description: str | None = None,
        by: str | None = None,
        id: str | None = None,  # noqa: A002  # the column's name
    ) -> str:
        """Label a span as an incident, or correct a label by giving its `id`; returns the id. Readers see it within
        seconds."""
        import pyarrow as pa

        from pitchey_slo.collect import conform
        from pitchey_slo.door import open_door

        first, last = parse_time(started_at, "started_at"), parse_time(ended_at, "ended_at")
        if first is not None and last is not None and last < first:
            raise QueryError(f"the incident ends ({last}) before it starts ({first})")
        now = datetime.now(UTC)
        key = id or f"inc-{uuid.uuid4().hex[:12]}"
        row = {
            "id": key,
            "title": title,
            "kind": kind,
            "severity": severity,
            "started_at": first,
            "ended_at": last,
            "routes": routes,
            "location": location,
            "description": description,
            "labelled_by": by,
            "updated_at": now,
            "source": "workbench",
        }
        batch = conform(INCIDENTS, pa.Table.from_pylist([row], schema=INCIDENTS.schema), now=now)
        if batch.rejected:
            raise QueryError(f"the label was refused: {batch.rejected[0].message}")
        with open_door(self.settings) as door:
            door.append("incidents", batch.rows)
        return key

    def correct(
        self,
        slo: str | Sequence[str] | None,
        start: datetime | str,
        end: Moment = None,
        *,
        minutes: float | None = None,
        category: str,
        reason: str,
        approver: str,
        rrule: str | None = None,
        zone: str = "UTC",
        id: str | None = None,  # noqa: A002  # the column's name
        source: str = "notebook",
    ) -> str:
        """Take time out of the budget of one SLO, of several, or of all (None); returns the correction's id.

        start, end or minutes   the first (or only) time; without a zone of their own on the clock of `zone`
        category   scheduled_maintenance, outside_business_hours, deployment or other
        reason, approver   why, and who agreed: every number that it touches tells them
        rrule      comes again, such as "FREQ=WEEKLY;BYDAY=SU": at the same time of day in `zone` all year

        Raises SloError that says what is wrong and what would work. See docs/slos.md, "Corrections".
        """
        from pitchey_slo.door import open_register
        from pitchey_slo.slo.corrections import check

        row = {
            "id": id or f"cor-{uuid.uuid4().hex[:12]}",
            "slos": slo,
            "category": category,
            "reason": reason,
            "approver": approver,
            "starts_at": start,
            "ends_at": end or None,
            "seconds": None if minutes is None else minutes * 60,
            "rrule": rrule,
            "zone": zone,
            "source": source,
        }
        checked = check(row, [each.name for each in self.slos()])
        with open_register(self.settings) as register:
            register.correct(checked)
        return checked.id

    def withdraw_correction(self, id: str, by: str) -> None:  # noqa: A002  # the column's name
        """Take a correction back: its time counts again, in past windows too. It stays listed, as withdrawn.

        Raises NotFound when there is none of this id."""
        from pitchey_slo.door import open_register

        with open_register(self.settings) as register:
            register.withdraw_correction(id, by)

    def corrections(self, now: datetime | None = None) -> pd.DataFrame:
        """Every correction in the store, withdrawn ones too: whose, when, why, who agreed; its `state` (coming, now,
        over, withdrawn) and the time that goes on or comes next at `now`."""
        import pandas as pd

        from pitchey_slo.slo.register import TOLD

        return pd.DataFrame(self.corrections_told(now), columns=list(TOLD))

    def corrections_told(self, now: datetime | None = None) -> list[dict[str, Any]]:
        """The same as plain values."""
        from pitchey_slo.slo import register

        moment = now or datetime.now(UTC)
        return [register.told(row, moment) for row in register.every(self.reader)]

    def review(
        self,
        start: Moment = None,
        end: Moment = None,
        *,
        incidents: Any = None,
        lint: bool = True,
        progress: Callable[[float, str], None] | None = None,
    ) -> Review:
        """The weekly look at the alert rules over the last 28 days (or `start` to `end`): which are noisy, which
        incidents nobody was told of, what the linter says of the SLOs, and what to change, with evidence.

        incidents   others than those labelled in the store: a frame or rows with started_at and ended_at
        `decide` writes down what people make of it. See docs/review.md.
        """
        from pitchey_slo.analyse.review import decisions, propose
        from pitchey_slo.analyse.tune.ask import groups_of
        from pitchey_slo.settings import shipped

        first, last = self.span(start, end)
        own = self.settings.config / "rules"
        return propose(
            groups_of(self.settings),
            self._series(),
            first,
            last,
            self.incidents(first, last) if incidents is None else incidents,
            own if own.is_dir() else shipped("config") / "rules",
            lint=self.lint(end=last) if lint else (),
            decisions=decisions.every(self.reader),
            watermark=self.watermark(),
            progress=progress,
        )

    def decide(
        self,
        proposal: Proposal | str,
        kind: str,
        *,
        by: str,
        reason: str,
        threshold: float | None = None,
        for_: str | None = None,
        was: float | None = None,
        look_again: Moment = None,
        id: str | None = None,  # noqa: A002  # the column's name
        source: str = "notebook",
    ) -> str:
        """Write down what was decided about a rule: a proposal of `review`, or the name of a rule; returns the id.

        kind       accept (as proposed, or with the numbers given here), change (other numbers) or reject (it stays)
        threshold, for_   the new number and the new `for`, such as "5m"; `was` says which number, if there are several
        look_again        when it shall be looked at again; in four weeks when left out, "" for never

        No rule changes before `apply`. Raises DecisionError that says what would work. See docs/review.md.
        """
        from pitchey_slo.analyse.review.decisions import Verdict
        from pitchey_slo.door import open_register

        again = datetime.now(UTC) + timedelta(weeks=4) if look_again is None else parse_time(look_again, "look_again")
        numbers: dict[str, Any] = {"threshold": threshold, "hold": for_, "was": was}
        given = numbers | {"look_again_at": again, "id": id, "source": source}
        if isinstance(proposal, str):
            verdict = Verdict(proposal, kind, by, reason, **given)
        else:
            verdict = proposal.verdict(kind, by, reason, **given)
        with open_register(self.settings) as register:
            return str(register.decide(verdict)["id"])

    def apply(self, decision: str, by: str) -> dict[str, Any]:
        """Change the rule file as it was decided; the server takes it within seconds. Returns the decision. Raises
        DecisionError when the rule is not the one that was decided about any more."""
        from pitchey_slo.door import open_register

        with open_register(self.settings) as register:
            return register.apply_decision(decision, by)

    def revert(self, decision: str, by: str) -> dict[str, Any]:
        """Take an applied decision back: the rule is again what it was."""
        from pitchey_slo.door import open_register

        with open_register(self.settings) as register:
            return register.revert_decision(decision, by)

    def decisions(self, now: datetime | None = None) -> pd.DataFrame:
        """Every decision about a rule, oldest first: who, why, the diff, the evidence, what came of it, and whether it
        is `due` to be looked at again at `now`."""
        import pandas as pd

        from pitchey_slo.analyse.review.decisions import TOLD

        return pd.DataFrame(self.decisions_told(now), columns=list(TOLD))

    def decisions_told(self, now: datetime | None = None) -> list[dict[str, Any]]:
        """The same as plain values."""
        from pitchey_slo.analyse.review import decisions

        moment = now or datetime.now(UTC)
        return [decisions.told(row, moment) for row in decisions.every(self.reader)]
