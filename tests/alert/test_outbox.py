"""The outbox: at least once, in order, one channel apart from another, nothing lost in silence."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.alert.channels import Channel, House, build
from pitchey_slo.alert.outbox import Outbox
from pitchey_slo.alert.retry import Retry
from pitchey_slo.store import Store, utc_now
from pitchey_slo.testing import NOON, FixedClock, fresh_store

from .channels.collector import Answering, Collector, collecting
from .channels.made import alert, events, message, note, put, row, states


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def webhook(collector: Collector, path: str = "/", **settings: Any) -> Channel:
    given = {"url": collector.url + path, "allow_private": True, "timeout_seconds": 1, **settings}
    return build("webhook", given, House("http://here", clock=FixedClock()))


def outbox(store: Store, *channels: Channel, clock: Any = None, fallback: str | None = None, **given: Any) -> Outbox:
    """Channels of receiver "oncall", and the last one alone of receiver "spare" when there is a fallback."""
    named = {f"webhook/{i}": c for i, c in enumerate(channels)}
    receivers = {"oncall": named} | ({"spare": {"webhook/9": channels[-1]}} if fallback else {})
    given.setdefault("rng", random.Random(1))
    spare = {"oncall": fallback, "spare": fallback} if fallback else {}
    return Outbox(store, receivers, clock or FixedClock(), fallbacks=spare, **given)


def ids(collector: Collector) -> list[str]:
    return [request.headers["webhook-id"] for request in collector.requests]


def after(**duration: float) -> datetime:
    return NOON + timedelta(**duration)


def test_what_is_due_is_sent_once_and_marked_with_the_answer(store: Store, collector: Collector) -> None:
    put(store, note("n-1"), note("n-2", at=after(seconds=30)))
    box = outbox(store, webhook(collector))
    assert box.run_due(NOON) == 1
    assert box.run_due(NOON) == 0
    assert ids(collector) == ["n-1"]
    sent = row(store, "n-1")
    assert (sent["state"], sent["attempts"], sent["sent_at"], sent["answer"]) == ("sent", 1, NOON, "200 ok")
    assert events(store) == [("sent", "sent to webhook/0 of oncall: 200 ok")]
    assert box.run_due(after(seconds=30)) == 1
    assert ids(collector) == ["n-1", "n-2"]


def test_a_failure_is_tried_again_with_the_same_id_and_key_after_its_wait(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(503, b"busy"), Answering(503, b"busy"), Answering()]
    put(store, note("n-1"))
    box = outbox(store, webhook(collector))
    box.run_due(NOON)
    waiting = row(store, "n-1")
    assert (waiting["state"], waiting["attempts"], waiting["answer"]) == (
        "waiting",
        1,
        "the webhook answered 503: busy",
    )
    assert NOON <= waiting["next_attempt_at"] <= after(seconds=1)
    for seconds in (10, 20, 30):
        box.run_due(after(seconds=seconds))
    assert ids(collector) == ["n-1"] * 3
    assert len({r.json["pitchey"]["dedupKey"] for r in collector.requests}) == 1
    assert (row(store, "n-1")["state"], row(store, "n-1")["attempts"]) == ("sent", 3)
    assert [kind for kind, _ in events(store)] == ["failed", "failed", "sent"]
    assert "again at 12:00:0" in events(store)[0][1]


def test_waits_double_up_to_five_minutes_and_are_spread() -> None:
    retry, rng = Retry(), random.Random(3)
    from pitchey_slo.errors import ChannelError

    waits = [[retry.wait(n, ChannelError("no"), rng) for _ in range(300)] for n in range(1, 15)]
    for n, found in enumerate(waits):
        limit = min(300, 2**n)
        assert 0 <= min(found) < 0.1 * limit and 0.9 * limit < max(found) <= limit
    assert retry.wait(10_000, ChannelError("no"), rng) <= 300
    asked = [retry.wait(5, ChannelError("no", retry_after=40), rng) for _ in range(100)]
    assert min(asked) >= 40 and max(asked) <= 41


def test_retry_after_holds_the_whole_channel(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(429, headers={"Retry-After": "40"}), Answering()]
    put(store, note("n-1"), note("n-2"))
    box = outbox(store, webhook(collector))
    assert box.run_due(NOON) == 1
    assert box.run_due(after(seconds=39)) == 0
    assert box.run_due(after(seconds=41.1)) == 2
    assert sorted(ids(collector)[1:]) == ["n-1", "n-2"]


def test_a_resolve_never_overtakes_its_trigger(store: Store, collector: Collector) -> None:
    """The trigger waits for its next attempt: the resolve waits with it, others go."""
    collector.judge = lambda r: (
        Answering(500) if r.headers["webhook-id"] == "trigger" and len(ids(collector)) < 3 else None
    )
    put(store, note("trigger", dedup="g", at=NOON))
    box = outbox(store, webhook(collector), retry=Retry(first=64))
    box.run_due(NOON)
    due = row(store, "trigger")["next_attempt_at"]
    assert due > after(seconds=5)
    put(store, note("end", message(alert(state="resolved"), action="resolved"), dedup="g", at=after(seconds=600)))
    put(store, note("other", dedup="h", at=NOON))
    box.run_due(due - timedelta(seconds=1))
    assert "end" not in ids(collector)
    box.run_due(due)
    assert ids(collector) == ["trigger", "other", "trigger"]
    box.run_due(after(seconds=600))
    assert ids(collector)[-1] == "end"


def test_a_page_for_what_has_ended_meanwhile_is_not_sent(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(503), Answering()]
    put(store, note("trigger", dedup="g"))
    box = outbox(store, webhook(collector))
    box.run_due(NOON)
    put(store, note("end", message(alert(state="resolved"), action="resolved"), dedup="g", at=after(seconds=5)))
    box.run_due(after(seconds=60))
    assert ids(collector) == ["trigger", "end"]
    assert states(store) == {"trigger": "dropped", "end": "sent"}
    assert "superseded by end" in row(store, "trigger")["answer"]
    assert [kind for kind, _ in events(store)] == ["failed", "superseded", "sent"]


def test_an_end_is_never_dropped(store: Store, collector: Collector) -> None:
    ended = message(alert(state="resolved"), action="resolved")
    put(store, note("end", ended, dedup="g"))
    put(store, note("again", dedup="g", at=after(seconds=5)))
    outbox(store, webhook(collector)).run_due(after(seconds=60))
    assert ids(collector) == ["end", "again"]


def test_a_permanent_error_is_a_dead_letter_and_the_fallback_says_why(
    store: Store, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.judge = lambda r: Answering(404, b"no_such_hook") if r.path == "/gone" else None
    put(store, note("n-1"))
    box = outbox(store, webhook(collector, "/gone"), webhook(collector, "/spare"), fallback="spare")
    box.run_due(NOON)
    assert row(store, "n-1")["state"] == "dead"
    assert "told instead: spare webhook/9" in caplog.text
    box.run_due(NOON)
    spare = collector.requests[-1]
    assert spare.path == "/spare"
    assert spare.json["pitchey"]["lines"] == [
        "Sent here because webhook/0 of receiver oncall did not take it: the webhook answered 404: no_such_hook"
    ]
    assert spare.json["alerts"][0]["labels"]["alertname"] == "HighErrorRate"
    made = [r for r in store.query("SELECT * FROM notifications").to_pylist() if r["fallback_of"]]
    assert [(r["fallback_of"], r["receiver"], r["state"]) for r in made] == [("n-1", "spare", "sent")]
    assert [kind for kind, _ in events(store)] == ["dead", "sent"]


def test_a_fallback_that_dies_does_not_go_round(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(404)]
    put(store, note("n-1"))
    box = outbox(store, webhook(collector), webhook(collector), fallback="spare")
    for _ in range(5):
        box.run_due(NOON)
    assert sorted(states(store).values()) == ["dead", "dead"]
    assert len(collector.requests) == 2


def test_after_a_day_it_is_given_up(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(500)]
    put(store, note("n-1"))
    box = outbox(store, webhook(collector), webhook(collector), fallback="spare")
    now, tries = NOON, 0
    while states(store)["n-1"] == "waiting":
        tries += box.run_due(now)
        now += timedelta(seconds=301)
        assert now < after(hours=25)
    assert after(hours=24) <= now
    assert tries > 200
    assert "no attempt worked until" in row(store, "n-1")["answer"]
    failures = [text for kind, text in events(store) if kind == "failed"]
    assert len(failures) == 3, "a day of retries is not a day of events"


def test_a_channel_nobody_has_any_more_is_a_dead_letter_after_a_minute(store: Store, collector: Collector) -> None:
    put(store, note("n-1", channel="webhook/7"))
    box = outbox(store, webhook(collector), webhook(collector), fallback="spare")
    box.run_due(after(seconds=59))
    assert states(store)["n-1"] == "waiting"
    box.run_due(after(seconds=60))
    assert states(store)["n-1"] == "dead"
    assert "no channel webhook/7 any more" in row(store, "n-1")["answer"]
    box.run_due(after(seconds=60))
    assert len(collector.requests) == 1


def test_a_message_that_cannot_be_read_is_told_as_such_and_blocks_nobody(store: Store, collector: Collector) -> None:
    from pitchey_slo.alert import rows
    from pitchey_slo.tables import NOTIFICATIONS

    good = rows.notification_rows([note("n-1"), note("n-2")]).to_pylist()
    store.append("notifications", NOTIFICATIONS.of([good[0] | {"payload": "{"}, good[1]]))
    outbox(store, webhook(collector)).run_due(NOON)
    assert states(store) == {"n-1": "sent", "n-2": "sent"}
    assert "message n-1 is damaged" in collector.requests[0].json["pitchey"]["title"]


class TestBudget:
    def test_what_the_budget_lacks_is_merged_into_a_digest_and_nothing_is_lost(
        self, store: Store, collector: Collector
    ) -> None:
        quiet = [note(f"n-{i}", message(alert(f"A{i}", severity="info"))) for i in range(20)]
        put(store, *quiet)
        box = outbox(store, webhook(collector, rate="1/s burst 3", digest=True))
        box.run_due(NOON)
        assert len(collector.requests) == 3  # two alone, and the last token for the digest
        found = states(store)
        digest = next(key for key in found if key not in {n.id for n in quiet})
        assert [found[n.id] for n in quiet].count("merged") == 18
        assert found[digest] == "sent"
        assert {row(store, n.id)["answer"] for n in quiet if found[n.id] == "merged"} == {
            f"merged into digest {digest}: more waited than webhook/0 takes"
        }
        told = collector.requests[-1].json["pitchey"]
        assert told["title"] == "[DIGEST] 18 more: 18 info"
        assert len(told["lines"]) == 18
        assert len({r.headers["webhook-id"] for r in collector.requests}) == 3

    def test_criticals_go_first_and_alone(self, store: Store, collector: Collector) -> None:
        put(store, *[note(f"i-{i}", message(alert(f"I{i}", severity="info"))) for i in range(10)])
        put(store, *[note(f"c-{i}") for i in range(3)])
        box = outbox(store, webhook(collector, rate="1/s burst 1", digest=True))
        for second in range(6):
            box.run_due(after(seconds=second))
        assert ids(collector)[:3] == ["c-0", "c-1", "c-2"]
        assert collector.requests[3].json["pitchey"]["action"] == "digest"
        assert len(collector.requests) == 4

    def test_without_merging_each_waits_its_turn(self, store: Store, collector: Collector) -> None:
        put(store, *[note(f"n-{i}", message(alert(severity="info"))) for i in range(12)])
        box = outbox(store, webhook(collector, rate="2/s burst 1"))
        assert [box.run_due(after(seconds=s)) for s in (0, 0.1, 0.5, 1.0, 1.5)] == [1, 0, 1, 1, 1]

    def test_a_digest_is_not_merged_again(self, store: Store, collector: Collector) -> None:
        box = outbox(store, webhook(collector, rate="1/m burst 1", digest=True))
        for minute in range(5):
            put(store, *[note(f"n-{minute}-{i}", message(alert(severity="info"))) for i in range(9)])
            box.run_due(after(minutes=minute))
        assert "digest" not in {
            r["action"] for r in store.query("SELECT action FROM notifications WHERE state = 'merged'").to_pylist()
        }


class TestClock:
    def test_turned_back_an_hour_nothing_waits_the_hour_and_nothing_goes_twice(
        self, store: Store, collector: Collector
    ) -> None:
        collector.answers = [Answering(503), Answering()]
        put(store, note("a"), note("b", at=after(seconds=1)))
        box = outbox(store, webhook(collector))
        box.run_due(NOON)
        box.run_due(after(seconds=100))
        assert sorted(ids(collector)) == ["a", "a", "b"]
        collector.answers = [Answering(503), Answering()]
        put(store, note("late", at=after(seconds=100)))
        box.run_due(after(seconds=100))
        earlier = after(seconds=110) - timedelta(hours=1)
        box.run_due(earlier)
        assert ids(collector)[3:] == ["late", "late"]
        assert set(states(store).values()) == {"sent"}

    def test_turned_back_between_trigger_and_resolve_they_keep_their_order(
        self, store: Store, collector: Collector
    ) -> None:
        collector.answers = [Answering(503), Answering()]
        put(store, note("trigger", message(alert(), action="escalation"), dedup="g"))
        box = outbox(store, webhook(collector))
        box.run_due(NOON)
        earlier = NOON - timedelta(hours=1)
        put(store, note("end", message(alert(state="resolved"), action="resolved"), dedup="g", at=earlier))
        box.run_due(earlier)
        assert ids(collector) == ["trigger", "trigger", "end"]


def serving(store: Store, *channels: Channel, **given: Any) -> Outbox:
    """A started outbox on the real clock."""
    box = outbox(store, *channels, clock=utc_now, poll=0.05, **given)
    box.start()
    return box


def wait_until_sent(store: Store, *keys: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not all(states(store)[key] == "sent" for key in keys):
        assert time.monotonic() < end, states(store)
        time.sleep(0.01)


def test_a_hanging_channel_delays_no_other(store: Store, collector: Collector) -> None:
    collector.judge = lambda r: Answering(hang=True) if r.path == "/hangs" else None
    now = utc_now()
    put(store, *[note(f"h-{i}", channel="webhook/0", at=now) for i in range(3)])
    put(store, *[note(f"n-{i}", channel="webhook/1", at=now) for i in range(5)])
    begun = time.monotonic()
    box = serving(store, webhook(collector, "/hangs", timeout_seconds=20), webhook(collector))
    try:
        wait_until_sent(store, *[f"n-{i}" for i in range(5)])
        assert time.monotonic() - begun < 10
        assert set(states(store).values()) == {"waiting", "sent"}
    finally:
        collector.open.set()
        box.close()


def test_new_rows_wake_it(store: Store, collector: Collector) -> None:
    box = outbox(store, webhook(collector), clock=utc_now, poll=60)
    box.start()
    try:
        time.sleep(0.1)
        put(store, note("n-1", at=utc_now()))
        box.wake()
        collector.wait_for(1, seconds=10)
    finally:
        box.close()


def test_close_waits_for_what_is_being_sent(store: Store, collector: Collector) -> None:
    collector.judge = lambda _: Answering(hang=True)
    put(store, note("n-1", at=utc_now()))
    box = serving(store, webhook(collector, timeout_seconds=10))
    collector.wait_for(1)
    timer = threading.Timer(0.3, collector.open.set)
    collector.judge = lambda _: None
    timer.start()
    box.close()
    assert states(store)["n-1"] in ("sent", "waiting")
    assert row(store, "n-1")["attempts"] == 1, "what became of it was written down before it closed"
    assert not [t for t in threading.enumerate() if t.name == "oncall webhook/0"]


def test_what_waited_goes_on_after_a_restart(tmp_path: Path, collector: Collector) -> None:
    collector.answers = [Answering(503), Answering()]
    with fresh_store(tmp_path / "home") as first:
        put(first, note("n-1"), note("n-2"))
        outbox(first, webhook(collector)).run_due(NOON)
    with fresh_store(tmp_path / "home") as second:
        outbox(second, webhook(collector)).run_due(after(seconds=60))
        assert states(second) == {"n-1": "sent", "n-2": "sent"}
        assert row(second, "n-1")["attempts"] == 2
    assert sorted(ids(collector)) == ["n-1", "n-1", "n-2"]


def test_other_channels_after_a_reload(store: Store, collector: Collector) -> None:
    collector.judge = lambda r: Answering(503) if r.path == "/old" else None
    put(store, note("n-1"))
    box = outbox(store, webhook(collector, "/old"))
    box.run_due(NOON)
    box.use({"oncall": {"webhook/0": webhook(collector, "/new")}})
    box.run_due(after(seconds=2))
    assert [r.path for r in collector.requests] == ["/old", "/new"]


def test_an_answer_the_store_cannot_take_is_not_sent_again(store: Store, collector: Collector) -> None:
    """The store is busy just when the answer is written: the outbox keeps trying to write, not to send."""
    from pitchey_slo.errors import StoreBusy

    put(store, note("n-1", at=utc_now()))
    took, refusals = store.append_all, [StoreBusy("queue is full"), StoreBusy("queue is full")]

    def busy(given: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return took(given)

    store.append_all = busy  # type: ignore[method-assign]
    box = serving(store, webhook(collector))
    try:
        wait_until_sent(store, "n-1")
    finally:
        box.close()
    assert ids(collector) == ["n-1"]


def test_status_counts(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(503, b"busy"), Answering()]
    put(store, note("n-1"), note("n-2", at=after(seconds=5)))
    box = outbox(store, webhook(collector))
    box.run_due(NOON)
    assert box.status()["oncall webhook/0"]["last_error"] == "the webhook answered 503: busy"
    box.run_due(after(seconds=60))
    found = box.status()["oncall webhook/0"]
    assert (found["sent"], found["failed"], found["waiting"]) == (2, 1, 0)


def test_what_goes_out_does_not_change_between_attempts(store: Store, collector: Collector) -> None:
    collector.answers = [Answering(503), Answering()]
    put(store, dataclasses.replace(note("n-1")))
    box = outbox(store, webhook(collector))
    box.run_due(NOON)
    box.run_due(after(seconds=30))
    assert collector.requests[0].body == collector.requests[1].body
