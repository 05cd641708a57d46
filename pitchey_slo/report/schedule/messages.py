"""What people are told of a schedule: the report, that it failed, that times were missed, that nobody got it. Pure.

Each message goes to every channel of its target by the outbox of alerting: stored with what it is about, tried again,
at least once, with a receipt. Its id is made of what it is about, so that it is never written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pitchey_slo.alert.model import Message, Notification
from pitchey_slo.report.freshness import sentences
from pitchey_slo.report.record import Run
from pitchey_slo.report.schedule.model import Due, Schedule, Target
from pitchey_slo.report.words import lasted, said

Kind = Literal["report", "failed", "not_fresh", "missed", "undelivered"]
#: Receiver -> names of its channels, such as {"mail": ["email/0"]}.
Known = Mapping[str, Sequence[str]]
_SHOWN: Final = 5


def receiver_of(schedule: str, kind: Kind) -> str:
    """Name of the receiver that a schedule brings itself: its own Slack channel and addresses."""
    return f"schedule {schedule}" + ("" if kind == "report" else ", when it fails")


def targets(schedule: Schedule, kind: Kind, known: Known) -> list[tuple[str, str]]:
    """(receiver, channel) that are told; those that are switched off or unknown are not among them."""
    target = schedule.deliver if kind == "report" else schedule.on_failure or schedule.deliver
    own = receiver_of(schedule.name, kind if schedule.on_failure else "report")
    names = [*target.receivers, *([own] if target.slack is not None or target.email else [])]
    return [(name, channel) for name in dict.fromkeys(names) for channel in known.get(name, ())]


def wanted(schedule: Schedule, kind: Kind) -> bool:
    """Whether anybody is to be told at all."""
    return bool(schedule.deliver if kind == "report" else schedule.on_failure or schedule.deliver)


def report(schedule: Schedule, due: Due, run: Run) -> Message:
    """The report: its first paragraph, the verdict on its data, where it is."""
    fresh = run.verdict == "fresh"
    lines = [run.summary or f"{run.title}, run for {schedule.name}."]
    lines += sentences(run.freshness) if not fresh else []
    lines += [f"Due {said(due.due_at)}, made {said(run.ended_at)} in {lasted(run.seconds)}."]
    lines += [f"{run.masked} secrets were taken out of it: {', '.join(run.masked_names)}."] if run.masked else []
    return Message(
        "message",
        "",
        f"[REPORT] {run.title}" + ("" if fresh else f" (data {run.verdict})"),
        lines=tuple(lines),
        links=_links(run),
        severity="info" if fresh else "warning",
        files=(run.html,) if schedule.deliver.attach else (),
    )


def failed(schedule: Schedule, due: Due, why: str, run: Run | None) -> Message:
    """A due time that ended without a report."""
    lines = [why, f"It was due {said(due.due_at)}; this was attempt {max(due.attempts, 1)}."]
    if run is not None:
        lines.append(f"`pitchey-slo report resume {run.id}` runs it again.")
    return Message(
        "message", "", f"[REPORT FAILED] {schedule.name}", lines=tuple(lines), links=_links(run), severity="warning"
    )


def not_fresh(schedule: Schedule, run: Run) -> Message:
    """A report that was made of data that is not as it should be."""
    return Message(
        "message",
        "",
        f"[REPORT] {schedule.name} was made of {run.verdict} data",
        lines=tuple(sentences(run.freshness)),
        links=_links(run),
        severity="warning",
    )


def missed(schedule: Schedule, skipped: Sequence[Due]) -> Message:
    """Due times that nobody runs any more."""
    lines = [f"{said(due.due_at)}: {due.reason}." for due in skipped[-_SHOWN:]]
    more = len(skipped) - _SHOWN
    if more > 0:
        lines.insert(0, f"{more} more before these.")
    count = f"{len(skipped)} times" if len(skipped) > 1 else "once"
    title = f"[REPORT MISSED] {schedule.name} was not run, {count}"
    return Message("message", "", title, lines=tuple(lines), links={"Reports": "/reports"}, severity="warning")


def undelivered(schedule: Schedule, due: Due, receipt: Iterable[Mapping[str, Any]]) -> Message:
    """A report that is there and did not reach somebody."""
    lines = [f"{r['receiver']} {r['channel']}: {r['state']}, {r['answer'] or 'no reason given'}" for r in receipt]
    address = f"/reports/{due.run_id}" if due.run_id else "/reports"
    title = f"[REPORT NOT DELIVERED] {schedule.name} of {said(due.due_at)}"
    return Message("message", "", title, lines=tuple(lines), links={"Report": address}, severity="warning")


def notifications(
    message: Message, kind: Kind, about: str, to: Iterable[tuple[str, str]], now: datetime
) -> list[Notification]:
    """One for each channel; `about` is the due time, or the times, it tells of."""
    found = []
    for receiver, channel in to:
        key = hashlib.blake2b(
            "\x00".join(("report", kind, about, receiver, channel)).encode(), digest_size=12
        ).hexdigest()
        addressed = Message(**{**vars(message), "receiver": receiver})
        found.append(
            Notification(
                id=key,
                dedup_key=key,
                group_key="",
                receiver=receiver,
                channel=channel,
                message=addressed,
                created_at=now,
                due_at=now,
                next_attempt_at=now,
                updated_at=now,
            )
        )
    return found


def channels_of(target: Target) -> dict[str, list[dict[str, Any]]]:
    """What a target brings itself, as the routes file spells it."""
    found: dict[str, list[dict[str, Any]]] = {}
    if target.slack is not None:
        found["slack_configs"] = [{"channel": target.slack} if target.slack else {}]
    if target.email:
        found["email_configs"] = [{"to": ", ".join(target.email)}]
    return found


def _links(run: Run | None) -> dict[str, str]:
    return {"Report": f"/reports/{run.id}"} if run is not None else {"Reports": "/reports"}
