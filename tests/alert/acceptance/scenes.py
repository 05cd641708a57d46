"""What happens on the stage. Each scene plays in a thread of its own, against the same server, with alerts, routes and
collectors of its own; what it wants is judged when all are over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .boxes import Want, between, firing, resolved
from .stage import Scene, Stage, now, until

Play = Callable[[Scene], None]
#: Looks each second; whoever waits longer says so.
QUICK: Mapping[str, Any] = {
    "group_by": ["scene"], "group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"
}  # fmt: skip


@dataclass(frozen=True)
class Script:
    """A scene, what its route says besides, and the webhooks of its receiver (names of collectors)."""

    play: Play
    route: Mapping[str, Any] = field(default_factory=dict)
    hooks: tuple[str, ...] = ()


SCRIPTS: dict[str, Script] = {}


def scene(*hooks: str, **route: Any) -> Callable[[Play], Play]:
    def keep(play: Play) -> Play:
        SCRIPTS[play.__name__] = Script(play, route, hooks or (play.__name__,))
        return play

    return keep


# one message for what is one


@scene()
def merge(s: Scene) -> None:
    """Two senders say the same, again and again: one alert, one message."""
    for _ in range(3):
        s.push("a", minutes=5)
        s.push("a", minutes=9)
    s.wait(1)
    s.push("a", minutes=7)
    time.sleep(2.5)  # two looks at which nothing is new
    s.resolve("a")
    s.want(Want(between(1, 1.5), firing("a"), "firing"), Want(between(3, 12), resolved("a"), "resolved"))


@scene(group_wait="6s")
def batching(s: Scene) -> None:
    """What begins within group_wait is one message; what comes after it waits for the next look, and is one, too."""
    s.fire("a")
    s.fire("b", "c")
    s.wait(1)
    s.fire("d", "e")
    s.wait(2)
    s.resolve("a", "b", "c", "d", "e")
    s.want(
        Want(between(6, 6.6), firing("a", "b", "c")),
        Want(between(0, 3), firing("a", "b", "c", "d", "e"), after="last"),
        Want(between(0, 3), resolved("a", "b", "c", "d", "e"), "resolved", after="last"),
    )


@scene(group_by=["scene", "alertname"])
def apart(s: Scene) -> None:
    """Another group is another message, in an order of its own."""
    s.fire("a")
    s.wait(1)
    s.fire("b")
    s.wait(2)
    s.resolve("b")
    s.wait(3)
    s.resolve("a")
    s.want(
        Want(between(1, 1.5), firing("a")),
        Want(between(1, 4), firing("b"), after="last"),
        Want(between(0, 4), resolved("b"), after="last"),
        Want(between(0, 4), resolved("a"), after="last"),
    )


@scene(repeat_interval="4s")
def repeat(s: Scene) -> None:
    """Still firing: told again each repeat_interval, until it is over."""
    s.fire("a")
    s.wait(3)
    s.resolve("a")
    s.want(
        Want(between(1, 1.5), firing("a"), "firing"),
        Want(between(3.5, 5), firing("a"), "reminder", after="last"),
        Want(between(3.5, 5), firing("a"), "reminder", after="last"),
        Want(between(0, 3), resolved("a"), "resolved", after="last"),
    )


@scene("retry", "retry-well")
def retry(s: Scene) -> None:
    """One of two webhooks refuses twice: it is asked again with the same id; the other gets exactly its own."""
    s.stage.refusals["/retry"] = 2
    s.fire("a")
    s.wait(1, "retry-well")
    s.wait(1)
    s.resolve("a")
    s.wait(2)
    refused = [r.headers["webhook-id"] for r in s.stage.refused if r.path == "/retry"]
    first = next(r for r in s.stage.taken if r.path == "/retry")
    assert refused == [first.headers["webhook-id"]] * 2

    def attempts() -> list[int]:
        return [n["attempts"] for n in s.why("a")["notifications"] if n["channel"] == "webhook/0"]

    until(lambda: attempts() == [3, 1], what="two attempts that failed, and two that did not")
    for where in ("retry", "retry-well"):
        s.want(Want(between(1, 1.5), firing("a")), Want(between(1.5, 20), resolved("a")), where=where)


# what is over


@scene()
def resolve(s: Scene) -> None:
    """Each end is told at the next look, with what goes on."""
    s.fire("a", "b")
    s.wait(1)
    s.resolve("a")
    s.wait(2)
    s.resolve("b")
    s.want(
        Want(between(1, 1.5), firing("a", "b")),
        Want(between(0, 3), firing("b") | resolved("a"), after="last"),
        Want(between(0, 3), resolved("b"), after="last"),
    )


@scene(group_wait="5s")
def too_short(s: Scene) -> None:
    """It ended before group_wait was over: nobody is told."""
    s.fire("a")
    s.resolve("a")
    time.sleep(6)
    s.want()


@scene()
def forgotten(s: Scene) -> None:
    """A sender that falls silent: the alert ends when it said that it would."""
    s.push("a", minutes=4 / 60)
    s.wait(2)
    s.want(Want(between(1, 1.5), firing("a")), Want(between(3, 5), resolved("a")))


# what is kept from being told


@scene(group_by=["scene", "alertname"])
def inhibit(s: Scene) -> None:
    """The cause keeps its consequences quiet; what still fires when it is over is told then."""
    s.fire("cause", severity="critical", cluster="x")
    s.wait(1)
    s.fire("effect", cluster="x")
    s.fire("other", cluster="y")
    s.wait(2)
    time.sleep(2.5)
    s.mark("over")
    s.resolve("cause", severity="critical", cluster="x")
    s.wait(4)
    s.resolve("effect", cluster="x")
    s.resolve("other", cluster="y")
    s.wait(6)
    assert "inhibited" in {d["kind"] for d in s.why("effect")["decisions"]}
    s.want(
        Want(between(1, 1.5), firing("cause")),
        Want(between(1, 4), firing("other")),
        Want(between(0, 2), firing("effect"), after=s.marks["over"]),
        Want(between(0, 2), resolved("cause"), after=s.marks["over"]),
        Want(between(0, 6), resolved("effect"), after=s.marks["over"]),
        Want(between(0, 6), resolved("other"), after=s.marks["over"]),
        ordered=False,
    )


@scene()
def silence(s: Scene) -> None:
    """Silenced from the start, and its end while it fires."""
    key = s.silence('alertname="a"')
    s.fire("a")
    until(lambda: "silenced" in {d["kind"] for d in s.why("a")["decisions"]})
    time.sleep(1.5)
    ended = s.mark("ended")
    s.unsilence(key["id"])
    s.wait(1)
    s.resolve("a")
    s.want(Want(between(0, 2), firing("a"), after=ended), Want(between(0, 3), resolved("a"), after="last"))


@scene()
def silence_runs_out(s: Scene) -> None:
    """Told, then silenced; when the silence is over and it still fires, it is told again. One that is resolved
    meanwhile is told all the same: it was told."""
    s.fire("a", "b")
    s.wait(1)
    made = s.silence('alertname="a"', minutes=5 / 60)
    s.wait(2)
    s.resolve("a", "b")
    s.want(
        Want(between(1, 1.5), firing("a", "b")),
        Want(between(0, 2), firing("a", "b"), after=datetime.fromisoformat(made["ends_at"])),
        Want(between(0, 3), resolved("a", "b"), after="last"),
    )


@scene(mute_time_intervals=["before the opening"])
def mute(s: Scene) -> None:
    """Muted until a time of day; told then, as it still fires."""
    opening = s.stage.opening
    s.fire("a")
    until(lambda: "muted" in {d["kind"] for d in s.why("a")["decisions"]})
    s.fire("over")
    s.resolve("over")
    s.wait(1, seconds=120)
    s.resolve("a")
    s.want(Want(between(0, 2), firing("a"), after=opening), Want(between(0, 3), resolved("a"), after="last"))


@scene(active_time_intervals=["night"])
def inactive(s: Scene) -> None:
    """A route that is only active at night, where it is noon."""
    s.fire("a")
    until(lambda: "muted" in {d["kind"] for d in s.why("a")["decisions"]})
    s.resolve("a")
    s.want()


# who is told next


@scene(escalation="quick", group_wait="0s")
def escalation(s: Scene) -> None:
    """Nobody takes it on: the lead after 3 s, the boss after 6 s; whoever was told hears of its end."""
    s.fire("a")
    s.wait(1, "escalation-boss")
    s.resolve("a")
    s.want(Want(between(0, 0.6), firing("a"), "firing"), Want(between(6, 9), resolved("a"), "resolved"))
    for who, seconds in (("lead", 3), ("boss", 6)):
        s.want(
            Want(between(seconds, seconds + 1), firing("a"), "escalation"),
            Want(between(6, 9), resolved("a"), "resolved"),
            where=f"escalation-{who}",
        )


@scene(escalation="taken", group_wait="0s")
def ack(s: Scene) -> None:
    """Somebody takes it on after the first level: the second is never told."""
    s.fire("a")
    s.wait(1, "ack-lead")
    s.ack("a")
    time.sleep(9)  # the second level would have been told
    s.resolve("a")
    s.want(Want(between(0, 0.6), firing("a")), Want(between(9, 12), resolved("a")))
    s.want(
        Want(between(1, 2), firing("a"), "escalation"), Want(between(9, 12), resolved("a"), "resolved"),
        where="ack-lead",
    )  # fmt: skip
    s.want(where="ack-boss")
    assert s.alert("a")["acked_by"] == "Ann"


@scene(escalation="office", group_wait="0s", group_by=["scene", "alertname"])
def hold(s: Scene) -> None:
    """Outside of business hours it is held; at the opening it is looked at again: what still fires is told, what is
    over is not."""
    opening = s.stage.opening
    s.fire("still", "over")
    until(lambda: "held" in {d["kind"] for d in s.why("over")["decisions"]})
    s.resolve("over")
    s.wait(1, "hold-office", seconds=120)
    s.resolve("still")
    s.wait(2, "hold-office")
    s.wait(4)
    s.want(
        Want(between(0, 0.6), firing("still")),
        Want(between(0, 0.6), firing("over")),
        Want(between(0, 6), resolved("over")),
        Want(between(0, 3), resolved("still"), after=opening),
        ordered=False,
    )
    s.want(
        Want(between(0, 1), firing("still"), "escalation", after=opening),
        Want(between(0, 3), resolved("still"), "resolved", after="last"),
        where="hold-office",
    )


@scene(escalation="day", group_wait="0s")
def inside(s: Scene) -> None:
    """The same where it is noon now: told at once."""
    s.fire("a")
    s.wait(1, "inside-office")
    s.resolve("a")
    s.want(Want(between(0, 0.6), firing("a")), Want(between(0, 3), resolved("a")))
    s.want(
        Want(between(0, 1.5), firing("a"), "escalation"), Want(between(0, 4), resolved("a"), "resolved"),
        where="inside-office",
    )  # fmt: skip


@scene(receiver="mail")
def mail(s: Scene) -> None:
    """By e-mail to a real mail server."""
    s.fire("MailDown")
    s.wait(1, "mail")
    s.resolve("MailDown")
    s.wait(2, "mail")
    s.want(Want(between(1, 1.5), firing("MailDown")), Want(between(1.4, 6), resolved("MailDown")), where="mail")
    assert s.stage.mailbox is not None
    assert len({str(m["References"]) for m in s.stage.mailbox.mails}) == 1


# the routes of all of them


def prepare(stage: Stage) -> None:
    """Write the configuration; `stage.opening` is a whole minute soon, when hours open and mutes end."""
    minute = now().replace(second=0, microsecond=0)
    ahead = timedelta(minutes=1 if now() - minute < timedelta(seconds=35) else 2)
    opening = minute + ahead
    stage.opening = opening
    # a zone where it is about noon, so that no interval of this file meets midnight
    hour = now().hour
    noon = f"Etc/GMT{hour - 12:+d}" if hour != 12 else "UTC"
    wall = (opening + timedelta(hours=12 - hour)).strftime("%H:%M")
    receivers = [
        {"name": name, "webhook_configs": [stage.webhook(h, send_resolved=True) for h in script.hooks]}
        for name, script in SCRIPTS.items()
        if "receiver" not in script.route
    ]
    more = ("escalation-lead", "escalation-boss", "ack-lead", "ack-boss", "hold-office", "inside-office")
    receivers += [{"name": name, "webhook_configs": [stage.webhook(name, send_resolved=True)]} for name in more]
    assert stage.mailbox is not None
    to = {"to": "people@example.org", "from": "alerts@example.org", "smarthost": stage.mailbox.address}
    receivers += [{"name": "mail", "email_configs": [{**to, "require_tls": False, "send_resolved": True}]}]
    receivers += [{"name": "nobody"}]

    def levels(scene: str, *given: tuple[str, str]) -> list[dict[str, str]]:
        return [{"after": after, "receiver": f"{scene}-{who}"} for after, who in given]

    held = {"outside_hours": "hold"}
    content = {
        "route": {
            "receiver": "nobody", **QUICK,
            "routes": [
                {"matchers": [f'scene="{name}"'], "receiver": name, **script.route} for name, script in SCRIPTS.items()
            ],
        },
        "receivers": receivers,
        "inhibit_rules": [
            {"source_matchers": ['severity="critical"'], "target_matchers": ['severity="warning"'],
             "equal": ["scene", "cluster"]},
        ],
        "time_intervals": [
            {"name": "before the opening",
             "time_intervals": [{"location": noon, "times": [{"start_time": "00:00", "end_time": wall}]}]},
            {"name": "night",
             "time_intervals": [{"location": noon, "times": [{"start_time": "00:00", "end_time": "06:00"}]}]},
        ],
        "business_hours": [
            {"name": "soon", "location": noon, "times": [{"start_time": wall, "end_time": "24:00"}]},
            {"name": "noon", "location": noon, "times": [{"start_time": "09:00", "end_time": "17:30"}]},
        ],
        "escalation": [
            {"name": "quick", "levels": levels("escalation", ("3s", "lead"), ("6s", "boss"))},
            {"name": "taken", "levels": levels("ack", ("1s", "lead"), ("8s", "boss"))},
            {"name": "office", "business_hours": "soon", "levels": levels("hold", ("0s", "office")), **held},
            {"name": "day", "business_hours": "noon", "levels": levels("inside", ("0s", "office")), **held},
        ],
    }  # fmt: skip
    stage.write("routes/routes.yml", content)
