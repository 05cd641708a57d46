"""The configuration changes on disk, and the server dies and comes back: what runs goes on, and nobody is told twice.

Each plays on a server of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .boxes import Want, between, firing, resolved
from .scenes import QUICK
from .stage import Scene, Stage, now, until

#: Alerts of rules, evaluated each second on the newest data.
LEVEL = {"labels": {"severity": "warning"}, "annotations": {"summary": "the level is {{ $value }}"}}


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    return {"groups": [{"name": "levels", "interval": "1s", "query_offset": "0s", "rules": list(given)}]}


def rule(name: str, scene: str, expr: str, wait: str = "0s") -> dict[str, Any]:
    labels = {**LEVEL["labels"], "scene": scene}
    return {"alert": name, "expr": expr, "for": wait, "labels": labels, "annotations": LEVEL["annotations"]}


def routes(stage: Stage, hooks: dict[str, str], **more: Any) -> dict[str, Any]:
    """One route and receiver for each scene; `hooks` say where its webhook is."""
    own = {scene: more.pop(scene, {}) for scene in hooks}
    return {
        "route": {
            "receiver": "nobody", **QUICK,
            "routes": [{"matchers": [f'scene="{s}"'], "receiver": s, **own[s]} for s in hooks],
        },
        "receivers": [
            {"name": "nobody"},
            *({"name": s, "webhook_configs": [stage.webhook(h, send_resolved=True)]} for s, h in hooks.items()),
        ],
        **more,
    }  # fmt: skip


def reload(stage: Stage) -> list[Scene]:
    """Rules and routes are taken as they change on disk; what is broken is refused, and the old ones run on."""
    s = Scene("reload", stage)
    old, new = rule("Old", "reload", "level > 5"), rule("New", "reload", "level > 7")
    stage.write("rules/levels.yml", rules(old))
    stage.write("routes/routes.yml", routes(stage, {"reload": "reload"}))
    stage.start()
    stage.gauge("level", 6)
    s.wait(1)
    stage.write("rules/levels.yml", 'groups:\n  - name: levels\n    rules: [{alert: Old, expr: "level >"}]\n')
    until(lambda: stage.logged("is refused, its 1 old rules run on"), what="the refusal of the rules")
    stage.write("routes/routes.yml", "route: {receiver: gone}\nreceivers: []\n")
    until(lambda: stage.logged("the routes are refused, the old routes hold"), what="the refusal of the routes")
    stage.gauge("level", 1)  # the old rule sees it, and the old route tells it
    s.wait(2)
    stage.gauge("level", 8)
    s.wait(3)
    stage.write("rules/levels.yml", rules(old, new))
    s.wait(4)  # the new one joins the group; the old one is told with it and has not begun anew
    stage.write("routes/routes.yml", routes(stage, {"reload": "reload-moved"}))
    until(lambda: stage.logged("routes.yml"), what="the routes")
    time.sleep(6)  # longer than it takes to look at the file
    stage.gauge("level", 1)
    s.wait(1, "reload-moved")
    time.sleep(2.5)
    begun = [a["fired_at"] for a in s.alerts() if a["name"] == "Old"]
    assert len(begun) == 2, "a reload began an alert anew"
    s.want(
        Want(between(1, 1.5), firing("Old")),
        Want(between(1, 30), resolved("Old")),
        Want(between(1, 40), firing("Old")),
        Want(between(0, 8), firing("Old", "New"), after="last"),
    )
    s.want(Want(between(6, 60), resolved("Old", "New")), where="reload-moved")
    return [s]


def restart(stage: Stage) -> list[Scene]:
    """kill -9 in the middle of everything, some seconds without a server, and a stop as it should be."""
    pending, told, waiting, levels = (Scene(n, stage) for n in ("pending", "told", "waiting", "levels"))
    hooks = {s.name: s.name for s in (pending, told, waiting, levels)}
    more: dict[str, Any] = {
        "waiting": {"group_wait": "8s"},
        "levels": {"escalation": "slow", "group_wait": "0s"},
        "escalation": [{"name": "slow", "levels": [
            {"after": "2s", "receiver": "levels-one"}, {"after": "20s", "receiver": "levels-two"}]}],
    }  # fmt: skip
    file = routes(stage, hooks, **more)
    file["receivers"] += [
        {"name": n, "webhook_configs": [stage.webhook(n, send_resolved=True)]} for n in ("levels-one", "levels-two")
    ]
    stage.write("routes/routes.yml", file)
    stage.write("rules/levels.yml", rules(rule("Slow", "pending", "level > 5", wait="15s")))
    stage.start()
    stage.gauge("level", 6)
    levels.fire("a")
    told.fire("a")
    until(lambda: pending.alerts(), what="the pending alert")
    began = datetime.fromisoformat(pending.alert("Slow")["active_at"])
    told.wait(1)
    levels.wait(1, "levels-one")
    time.sleep(max(0.0, 8.0 - (now() - began).total_seconds()))
    waiting.fire("a")
    killed = stage.kill()
    held = (killed - began).total_seconds()
    time.sleep(3)
    up = now()
    stage.start()
    ready = now()
    pending.wait(1)
    fired = datetime.fromisoformat(pending.alert("Slow")["fired_at"])
    left = 15.0 - held  # of its `for`; the time without a server does not count
    late = (ready - up).total_seconds() + 4.0
    assert timedelta(seconds=left - 3) <= fired - up <= timedelta(seconds=left + late), (held, fired - up)
    levels.wait(1, "levels-two")
    waiting.wait(1)
    assert stage.stop() == 0
    stage.start()
    time.sleep(3)  # looks, at which there is nothing to tell
    stage.gauge("level", 1)
    for s in (told, waiting, levels):
        s.resolve("a")
    for s in (pending, told, waiting, levels):
        s.wait(2)
    levels.wait(2, "levels-two")
    time.sleep(2.5)
    pending.want(Want(between(1, 1.5), firing("Slow")), Want(between(0, 60), resolved("Slow"), after="last"))
    told.want(Want(between(1, 1.5), firing("a"), "firing"), Want(between(10, 120), resolved("a"), "resolved"))
    waiting.want(Want(between(8, 20), firing("a"), "firing"), Want(between(8, 120), resolved("a"), "resolved"))
    levels.want(Want(between(0, 0.6), firing("a")), Want(between(20, 120), resolved("a")))
    for where, seconds in (("levels-one", 2), ("levels-two", 20)):
        levels.want(
            Want(between(seconds, seconds + 10), firing("a"), "escalation"),
            Want(between(20, 120), resolved("a"), "resolved"),
            where=where,
        )
    return [pending, told, waiting, levels]


PLAYS: dict[str, Callable[[Stage], list[Scene]]] = {"reload": reload, "restart": restart}
