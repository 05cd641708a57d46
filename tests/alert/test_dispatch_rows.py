"""What dispatch decides is whole in its rows: a store read again goes on as the memory would."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pitchey_slo.alert import rows
from pitchey_slo.alert.dispatch import Plan, memory_of
from pitchey_slo.alert.silences import silence_from, silence_rows
from pitchey_slo.store import Store

from .steps import World, routes, silence
from .test_escalation import TEXT


@dataclass
class Stored(World):
    """A world whose plans are written down."""

    store: Store | None = None

    def step(self) -> Plan:
        done = super().step()
        tables = {
            "alert_groups": rows.group_rows(done.groups),
            "escalations": rows.escalation_rows(done.escalations),
            "notifications": rows.notification_rows(done.notifications),
            "alert_events": rows.event_rows(done.events),
            "silences": silence_rows(done.silences),
        }
        found = {name: table for name, table in tables.items() if table.num_rows}
        if found and self.store is not None:
            self.store.append_all(found)
        return done


def read(store: Store, table: str) -> list[dict[str, object]]:
    return [dict(row) for row in store.query(f"SELECT * FROM {table} ORDER BY commit_seq").to_pylist()]


def test_a_restart_from_the_store_goes_on_as_if_nothing_had_been(store: Store, tmp_path: Path) -> None:
    text = (
        TEXT.replace("group_by: [alertname]", "group_by: [alertname], cooldown: 30m")
        + "silence_reminders: {before: 5m}"
    )
    config = routes(text, tmp_path)
    whole, broken = World(config), Stored(config, store=store)
    for world in (whole, broken):
        world.silences = [silence("alertname=Quiet", 0, 900)]
        world.fire("Down", severity="critical", n='a "b" \\ é')
        world.fire("Quiet", severity="warning")
        for second in range(0, 2_000, 20):
            if second == 400:
                world.resolve("Down")
            if second == 700:
                world.fire("Down", severity="critical")
            if second == 720:
                world.fire("Other", severity="warning")
            world.run(second, step=20)
            if world is broken and second % 300 == 0:
                world.memory = memory_of(
                    [rows.group_from(r) for r in read(store, "alert_groups")],
                    [rows.escalation_from(r) for r in read(store, "escalations")],
                    [rows.event_from(r) for r in read(store, "alert_events")],
                )
    at, expected = ({n.id: n.created_at for n in world.sent} for world in (broken, whole))
    assert at.keys() == expected.keys()
    # a look after a restart may come early, never late
    assert all(timedelta(0) <= expected[i] - at[i] <= timedelta(seconds=60) for i in at)
    assert len(whole.sent) > 8
    back = [rows.notification_from(r) for r in read(store, "notifications")]
    assert sorted(back, key=lambda n: n.id) == sorted(broken.sent, key=lambda n: n.id)
    (reminded,) = [silence_from(r) for r in read(store, "silences")]
    assert reminded.reminded_at is not None
    assert {e.kind for e in broken.events} >= {"routed", "grouped", "queued", "silenced", "escalation", "cooldown"}
