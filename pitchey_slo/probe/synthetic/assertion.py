"""Whether an answer is what it should be: a list of faults, one per assertion that does not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.probe.synthetic import extract, pattern
from pitchey_slo.probe.synthetic.definition import Assertion
from pitchey_slo.probe.synthetic.phases import Fault, Phases, span

if TYPE_CHECKING:
    from pitchey_slo.probe.synthetic.http import Answer

#: What holds when a step says nothing about the status: success, or any redirect that is not to be followed.
USUAL: Final = Assertion("status", "in", ("2xx",))
USUAL_UNFOLLOWED: Final = Assertion("status", "in", ("2xx", "3xx"))


@dataclass(frozen=True)
class Seen:
    """What is judged: an answer, where its time went, and the seconds it took."""

    answer: Answer
    phases: Phases
    seconds: float


def judge(
    assertions: Sequence[Assertion], answer: Answer, phases: Phases, seconds: float, fill: Callable[[Any], Any]
) -> list[Fault]:
    """The faults of an answer that took `seconds`, in the order of the assertions; `fill` fills in templates."""
    seen = Seen(answer, phases, seconds)
    return [fault for each in assertions if (fault := _one(each, seen, fill)) is not None]


def _one(given: Assertion, seen: Seen, fill: Callable[[Any], Any]) -> Fault | None:
    wanted = replace(given, value=fill(given.value))
    try:
        found = _JUDGES[given.subject](wanted, seen)
    except Fault as fault:
        found = fault
    if found is not None:
        found.degraded = given.degraded
        found.status, found.cert_days = seen.answer.status, seen.answer.cert_days
    return found


def _status(wanted: Assertion, seen: Seen) -> Fault | None:
    if any(str(each).lower() in (str(seen.answer.status), f"{seen.answer.status // 100}xx") for each in wanted.value):
        return None
    return Fault("http_status", f"status {seen.answer.status}, not {_listed(wanted.value)}", phase="first_byte")


def _body(wanted: Assertion, seen: Seen) -> Fault | None:
    return _compared("the body", seen.answer.text, wanted, "transfer", whole=seen.answer.whole)


def _header(wanted: Assertion, seen: Seen) -> Fault | None:
    return _compared(f"the header {wanted.path}", seen.answer.header(wanted.path or ""), wanted, "first_byte")


def _json(wanted: Assertion, seen: Seen) -> Fault | None:
    path = wanted.path or "$"
    values = extract.at(path, extract.document(seen.answer))
    if wanted.op == "length":
        found = values[0] if values else None
        length = len(found) if isinstance(found, (list, str, dict)) else None
        told = "nothing that has a length" if length is None else f"a length of {length}"
        return None if length == wanted.value else _failed(f"{path} has {told}, not {wanted.value}", "transfer")
    return _compared(path, values[0] if values else None, wanted, "transfer", there=bool(values))


def _latency(wanted: Assertion, seen: Seen) -> Fault | None:
    if seen.seconds < wanted.value:
        return None
    slow = seen.phases.slowest
    where = f", {seen.phases.ms[slow] / 10 / max(seen.seconds, 1e-9):.0f} % of it in {slow}" if slow else ""
    return Fault("assertion", f"it took {span(seen.seconds)}{where}; {span(wanted.value)} is the limit", phase=slow)


def _certificate(wanted: Assertion, seen: Seen) -> Fault | None:
    if seen.answer.cert_days is None or seen.answer.cert_days > wanted.value:  # plain http has none to judge
        return None
    reason = f"the certificate of {seen.answer.url.host} ends in {seen.answer.cert_days:.1f} days"
    return Fault("cert_expiry", f"{reason}; more than {wanted.value:g} were hoped for", phase="tls")


_JUDGES: Final = {
    "status": _status, "body": _body, "json": _json, "header": _header, "latency": _latency,
    "certificate_days": _certificate,
}  # fmt: skip


def _compared(
    name: str, found: Any, wanted: Assertion, phase: str, *, there: bool | None = None, whole: bool = True
) -> Fault | None:
    there = found is not None if there is None else there
    if wanted.op == "exists":
        if there == wanted.value:
            return None
        return _failed(f"{name} is {'not ' if wanted.value else ''}there", phase)
    if not there:
        return _failed(f"{name} is not there", phase)
    if _HOLDS[wanted.op](found, wanted.value):
        return None
    seen = "" if name == "the body" else f"; it is {_shown(found)}"  # a body may hold anybody's data
    part = "" if whole else " in the part that was read"
    return _failed(f"{name} {_SAID[wanted.op]} {_shown(wanted.value)}{part}{seen}", phase)


def _failed(reason: str, phase: str) -> Fault:
    return Fault("assertion", reason, phase=phase)


def _number(value: Any) -> float:
    """NaN, which no comparison holds for, when it is no number."""
    if isinstance(value, bool):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted or (
            isinstance(found, bool) != isinstance(wanted, bool) and str(found).lower() == str(wanted).lower()
        )
    return bool(found == wanted or (isinstance(found, (int, float)) and _number(wanted) == found))


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, (list, dict)):
        return any(_equal(each, wanted) for each in found)
    return str(wanted) in str(found)


_HOLDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": _equal,
    "not_equals": lambda found, wanted: not _equal(found, wanted),
    "contains": _contains,
    "not_contains": lambda found, wanted: not _contains(found, wanted),
    "matches": lambda found, wanted: pattern.found(str(wanted), str(found)),
    "above": lambda found, wanted: _number(found) > _number(wanted),
    "below": lambda found, wanted: _number(found) < _number(wanted),
}
_SAID: Final = {
    "equals": "is not", "not_equals": "is", "contains": "does not hold", "not_contains": "holds",
    "matches": "does not match", "above": "is not above", "below": "is not below",
}  # fmt: skip
#: What can be asked of a value, besides its length.
OPS: Final = ("exists", *_HOLDS)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _listed(values: Sequence[Any]) -> str:
    return " or ".join(str(value) for value in values)
