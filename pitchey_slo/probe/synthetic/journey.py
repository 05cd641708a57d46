"""One attempt of an http check or a journey: its steps in their order, with clean-up steps even after a failure.

A clean-up step that needs something no step kept is left out: what was not made need not be removed. When only a
clean-up fails, the journey passed and is degraded, since it leaves test data behind.
"""

from __future__ import annotations

import json
import secrets as chance
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from pitchey_slo.errors import ProbeFault
from pitchey_slo.probe.result import State
from pitchey_slo.probe.synthetic import assertion, extract
from pitchey_slo.probe.synthetic.cookies import Cookies
from pitchey_slo.probe.synthetic.definition import CLEAN_UP_SECONDS, Assertion, Definition, Request, Step
from pitchey_slo.probe.synthetic.dial import Dialler
from pitchey_slo.probe.synthetic.http import Answer, Ask, fetch
from pitchey_slo.probe.synthetic.phases import Fault, Phases, span
from pitchey_slo.probe.synthetic.template import NotThere, Values
from pitchey_slo.probe.synthetic.url import BadUrl, parse

#: Values that were kept and are this long are taken for tokens, and not shown.
TOKEN_LENGTH: Final = 16


@dataclass
class Done:
    """What came of one step. `fault` decides; `weak` are the reasons for which it is only degraded."""

    name: str
    at: datetime
    seconds: float
    phases: Phases
    always: bool = False
    answer: Answer | None = None
    fault: Fault | None = None
    weak: list[Fault] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        if self.fault is not None:
            return "unknown" if self.fault.failure == "probe_error" else "unhealthy"
        return "degraded" if self.weak else "healthy"


@dataclass(frozen=True)
class Attempt:
    """One attempt: its steps, and what it was asked with."""

    steps: tuple[Done, ...]
    trace_id: str

    @property
    def failed(self) -> Done | None:
        """The step that decides: the first that failed and is no clean-up."""
        return next((step for step in self.steps if step.fault and not step.always), None)

    @property
    def seconds(self) -> float:
        """Of the steps a user would take; clean-up is ours."""
        return sum(step.seconds for step in self.steps if not step.always)


class Journey:
    """Runs the steps of one attempt."""

    def __init__(self, definition: Definition, values: Values, dialler: Dialler, clock: Callable[[], datetime]) -> None:
        self._definition, self._values, self._dialler, self._clock = definition, values, dialler, clock
        self._cookies = Cookies()
        self._trace = chance.token_hex(16)

    async def walk(self) -> Attempt:
        done: list[Done] = []
        end = time.perf_counter() + self._definition.timeout
        failed = False
        for step in self._definition.steps:
            if failed and not step.always:
                continue
            left = CLEAN_UP_SECONDS if step.always else end - time.perf_counter()
            try:
                came = await self._step(
                    step, min(left, step.timeout or left) if not step.always else step.timeout or left
                )
            except NotThere:
                continue
            done.append(came)
            failed = failed or came.fault is not None
        return Attempt(tuple(done), self._trace)

    async def _step(self, step: Step, seconds: float) -> Done:
        """Raises NotThere for a clean-up step that has nothing to clean up."""
        phases, started = Phases(), time.perf_counter()
        answer, weak, fault, ask = None, [], None, None
        try:
            ask = self._ask(step.request)
            if seconds <= 0:
                raise Fault("timeout", f"the steps before took all of the {span(self._definition.timeout)}")
            answer = await fetch(ask, self._dialler, self._cookies, phases, seconds)
            took = time.perf_counter() - started
            faults = assertion.judge(_assertions(step), answer, phases, took, self._values.fill)
            weak = [each for each in faults if each.degraded]
            fault = _first([each for each in faults if not each.degraded])
            self._keep(step, answer, anyway=fault is not None)
        except NotThere as missing:
            if step.always:
                raise
            fault = Fault("probe_error", f"no step before kept {missing}")
        except Fault as error:
            fault = error
        except (ProbeFault, BadUrl) as error:
            fault = Fault("probe_error", str(error))
        seconds = time.perf_counter() - started
        details = _details(ask, answer)
        return Done(step.name, self._clock(), seconds, phases, step.always, answer, fault, weak, details)

    def _ask(self, request: Request) -> Ask:
        values = self._values
        headers = {name: values.text(value) for name, value in request.headers.items()}
        kind, body = _body(request, values)
        if kind and not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = kind
        headers["traceparent"] = f"00-{self._trace}-{chance.token_hex(8)}-01"
        return Ask(request.method, parse(values.url(request.url)), headers, body, request.follow)

    def _keep(self, step: Step, answer: Answer, *, anyway: bool) -> None:
        """Keep what later steps use. `anyway`: the step failed already, but what it made must be cleaned up, so what is
        there is kept and what is not there is no second fault."""
        kept = self._values.steps.setdefault(step.name, {})
        for each in step.extracts:
            try:
                value = kept[each.name] = extract.take(each, answer, self._cookies)
            except Fault:
                if anyway:
                    continue
                raise
            if isinstance(value, str) and len(value) >= TOKEN_LENGTH:
                self._values.secrets.hide_value(value, f"[{step.name}.{each.name}]")


def _assertions(step: Step) -> tuple[Assertion, ...]:
    if any(each.subject == "status" for each in step.assertions):
        return step.assertions
    return (assertion.USUAL if step.request.follow else assertion.USUAL_UNFOLLOWED, *step.assertions)


def _first(faults: list[Fault]) -> Fault | None:
    """The first fault, whose reason tells of the others too."""
    if len(faults) > 1:
        faults[0].reason = "; ".join(fault.reason for fault in faults[:4])
    return faults[0] if faults else None


def _body(request: Request, values: Values) -> tuple[str | None, bytes]:
    """Content type and bytes of what is sent."""
    if request.has_json:
        return "application/json", json.dumps(values.fill(request.json), ensure_ascii=False).encode()
    if request.form is not None:
        form: Mapping[str, Any] = values.fill(request.form)
        return "application/x-www-form-urlencoded", urlencode(form).encode()
    return (None, b"") if request.body is None else ("text/plain; charset=utf-8", values.text(request.body).encode())


def _details(ask: Ask | None, answer: Answer | None) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if ask is not None:
        details |= {"method": ask.method, "url": (answer.url if answer else ask.url).shown}
    if answer is not None:
        details["address"] = answer.address
        if answer.hops:
            details["redirects"] = list(answer.hops)
        if not answer.whole:
            details["cut"] = True
    return details
