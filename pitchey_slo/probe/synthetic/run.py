"""A whole run of a synthetic test: attempts until one passes, and the verdict."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pitchey_slo.errors import ProbeFault
from pitchey_slo.guard import Guard
from pitchey_slo.names import PHASES
from pitchey_slo.probe.result import Result, State
from pitchey_slo.probe.synthetic import certificate
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.dial import Dialler
from pitchey_slo.probe.synthetic.journey import Attempt, Done, Journey
from pitchey_slo.probe.synthetic.phases import Fault, Phases, span
from pitchey_slo.probe.synthetic.secrets import Secrets
from pitchey_slo.probe.synthetic.template import Values


async def run(
    definition: Definition,
    *,
    base: str,
    location: str,
    clock: Callable[[], datetime],
    secrets: Secrets | None = None,
    guard: Guard | None = None,
    now: datetime | None = None,
    keep: Path | None = None,
) -> list[Result]:
    """Run a test now: the verdict first, then what led to it.

    base      address of the platform, for `{{ base }}`
    clock     gives the time a look ended, and against which certificates are judged
    secrets   where `${secret:NAME}` is found; guard: where requests may go besides the internet and `allow`
    now       the moment the run was due, for `{{ now }}`; the clock's when absent
    keep      folder for screenshots and HARs of browsers that failed (PITCHEY_HOME/probes); None keeps nothing

    Rows of scope `step` come from journeys and browsers; rows of scope `attempt` when there was more than one attempt.
    All share a `run_id`, and an `event_id` that a second sending repeats. Never raises for what a target does or a
    definition says: what is our own fault has the class `probe_error` and the state unknown.
    """
    one = _Run(
        definition, base, location, clock, (secrets or Secrets()).fresh(), guard or Guard(), now or clock(), keep
    )
    return await one.all()


class _Run:
    def __init__(
        self, definition: Definition, base: str, location: str, clock: Callable[[], datetime], secrets: Secrets,
        guard: Guard, now: datetime, keep: Path | None,
    ) -> None:  # fmt: skip
        self.definition, self.base, self.location, self.clock = definition, base, location, clock
        self.secrets, self.now, self.keep = secrets, now, keep
        self.guard = guard.widened(allowed(definition.allow, base))
        self.id = uuid.uuid4().hex

    async def all(self) -> list[Result]:
        attempts: list[Attempt] = []
        most = self.definition.retries.count + 1
        for number in range(1, most + 1):
            if number > 1:
                await asyncio.sleep(self.definition.retries.wait)
            attempts.append(await self.attempt())
            failed = attempts[-1].failed
            if failed is None or failed.state == "unknown":  # a template of ours does not heal
                break
        rows = [self.verdict(attempts)]
        for number, attempt in enumerate(attempts, 1):
            if len(attempts) > 1:
                rows.append(self.whole(attempt, number, "attempt", f"{self.id}/{number}"))
            if self.definition.kind != "http":
                rows += [self.step(done, attempt, number, i) for i, done in enumerate(attempt.steps, 1)]
        return [self.safe(row) for row in rows]

    async def attempt(self) -> Attempt:
        """One attempt; what keeps it from beginning is an attempt with one step that never was."""
        definition = self.definition
        try:
            values = Values.of(
                base=self.base, location=self.location, test=definition.name, run_id=self.id, now=self.now,
                secrets=self.secrets, variables=definition.variables,
            )  # fmt: skip
            return await self.walker(values)
        except (ProbeFault, ValueError) as error:
            fault = Fault("probe_error", str(error))
            return Attempt((Done("start", self.clock(), 0.0, Phases(), fault=fault),), "")

    def walker(self, values: Values) -> Awaitable[Attempt]:
        if self.definition.kind == "browser":
            from pitchey_slo.probe.synthetic.browser import browse

            return browse(self.definition, values, self.guard, self.clock, self.keep)
        dialler = Dialler(self.guard, certificate.trust_of(self.definition.ca), self.clock)
        return Journey(self.definition, values, dialler, self.clock).walk()

    def verdict(self, attempts: list[Attempt]) -> Result:
        last = self.whole(attempts[-1], len(attempts), "verdict", self.id)
        details = dict(last.details)
        first = attempts[0].failed
        if len(attempts) > 1 and first is not None and first.fault is not None:
            details["first_failure"] = {
                "step": first.name, "failure": first.fault.failure, "phase": first.fault.phase,
                "reason": first.fault.reason,
            }  # fmt: skip
        reason = last.reason
        if reason and len(attempts) > 1 and not last.ok:
            reason += f" ({len(attempts)} attempts)"
        return replace(last, details=details, reason=reason)

    def whole(self, attempt: Attempt, number: int, scope: str, event_id: str) -> Result:
        """The row of a whole attempt."""
        state, reason, phase = self.judged(attempt)
        failed = attempt.failed
        main = [step for step in attempt.steps if not step.always]
        last = failed or (main[-1] if main else None)
        answers = [step.answer for step in main if step.answer]
        days = [d for step in main for d in _cert_days(step) if d is not None]
        details: dict[str, Any] = dict(last.details) if last else {}
        if leftover := [s for s in attempt.steps if s.always and s.fault]:
            details["clean_up"] = {s.name: s.fault.reason for s in leftover if s.fault}
        for step in attempt.steps:
            if kept := step.details.get("kept"):
                details["kept"] = kept
        return replace(
            self.blank(state, last.at if last else self.clock(), scope, number, event_id),
            step=failed.name if failed and self.definition.kind != "http" else None,
            failure=failed.fault.failure if failed and failed.fault else None,
            phase=phase,
            reason=reason,
            duration_ms=attempt.seconds * 1_000,
            phases=_added(main),
            status=_status(last) or (answers[-1].status if answers and not failed else None),
            bytes=sum(answer.read for answer in answers) if answers else None,
            cert_days=min(days, default=None),
            trace_id=attempt.trace_id or None,
            details=details,
        )

    def judged(self, attempt: Attempt) -> tuple[State, str | None, str | None]:
        """State, reason and phase of a whole attempt."""
        failed = attempt.failed
        if failed is not None and failed.fault is not None:
            where = f"step {failed.name}: " if self.definition.kind != "http" else ""
            return failed.state, where + failed.fault.reason, failed.fault.phase
        weak = [(fault.reason, fault.phase) for step in attempt.steps for fault in step.weak]
        limit = self.definition.degraded_after
        if limit is not None and attempt.seconds > limit:
            phase, share = _slowest([step for step in attempt.steps if not step.always])
            where = f", {share:.0%} of it in {phase}" if phase else ""
            weak.insert(0, (f"slow: {span(attempt.seconds)}{where}; {span(limit)} is the limit", phase))
        weak += [
            (f"clean-up {step.name}: {step.fault.reason}", step.fault.phase)
            for step in attempt.steps
            if step.always and step.fault and step.fault.failure != "probe_error"
        ]
        if not weak:
            return "healthy", None, None
        return "degraded", "; ".join(reason for reason, _ in weak[:4]), weak[0][1]

    def step(self, done: Done, attempt: Attempt, number: int, position: int) -> Result:
        fault = done.fault
        weak = done.weak[0] if done.weak else None
        told = fault or weak
        return replace(
            self.blank(done.state, done.at, "step", number, f"{self.id}/{number}/{position}"),
            step=done.name,
            failure=fault.failure if fault else None,
            phase=told.phase if told else None,
            reason=told.reason if told else None,
            duration_ms=done.seconds * 1_000,
            phases=dict(done.phases.ms),
            status=_status(done),
            bytes=done.answer.read if done.answer else None,
            cert_days=min((d for d in _cert_days(done) if d is not None), default=None),
            trace_id=attempt.trace_id or None,
            details=done.details | ({"clean_up": True} if done.always else {}),
        )

    def blank(self, state: State, at: datetime, scope: str, attempt: int, event_id: str) -> Result:
        definition = self.definition
        return Result(
            definition.name, state, at, kind=definition.kind, component=definition.component, location=self.location,
            scope=scope, attempt=attempt, run_id=self.id, event_id=event_id,
        )  # fmt: skip

    def safe(self, row: Result) -> Result:
        """The row without any value of a secret."""
        return replace(
            row, reason=row.reason and self.secrets.hide(row.reason), details=self.secrets.hidden(row.details)
        )


def allowed(allow: tuple[str, ...], base: str) -> list[str]:
    """The entries of `allow`, with `base` as the host and port it means."""
    try:
        parts = urlsplit(base)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = f"[{parts.hostname}]:{port}" if ":" in (parts.hostname or "") else f"{parts.hostname}:{port}"
    except ValueError:
        host = ""
    return [each if each != "base" else host for each in allow if each != "base" or host]


def _added(steps: list[Done]) -> dict[str, float]:
    return {
        phase: sum(step.phases.ms.get(phase, 0.0) for step in steps)
        for phase in PHASES
        if any(phase in step.phases.ms for step in steps)
    }


def _slowest(steps: list[Done]) -> tuple[str | None, float]:
    """The phase that took most of these steps' time, and its share."""
    ms = _added(steps)
    phase = max(ms, key=ms.__getitem__, default=None)
    return phase, ms[phase] / max(sum(ms.values()), 1e-9) if phase else 0.0


def _status(done: Done | None) -> int | None:
    if done is None:
        return None
    return done.answer.status if done.answer else done.fault.status if done.fault else None


def _cert_days(done: Done) -> list[float | None]:
    return [done.answer.cert_days if done.answer else None, done.fault.cert_days if done.fault else None]
