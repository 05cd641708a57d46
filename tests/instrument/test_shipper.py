"""The queue and its thread against receivers that are slow, full, broken or away."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument.delivery import batches
from pitchey_slo.instrument.pace import Pace, Stats
from pitchey_slo.instrument.post import Post, seconds
from pitchey_slo.instrument.shipper import Shipper
from pitchey_slo.instrument.workbench import Workbench
from tests.alert.channels.mailbox import certificate
from tests.instrument.receivers import Delivery, Receiver, Reply, all_stored, receiving, stored

QUICK = Pace(age=0.02, first=0.02, most=0.1, patience=20, leave=5)


def line(n: int) -> bytes:
    return b'{"n":%d}' % n


def shipper(receiver: Receiver, pace: Pace = QUICK, timeout: float = 5.0) -> Shipper:
    return Shipper("test", Workbench(receiver.url, "tok", "requests", timeout=timeout), pace)


def numbers(receiver: Receiver) -> list[int]:
    return [row["n"] for row in receiver.rows]


def accounted(stats: Stats, offered: int) -> bool:
    """Every line offered is sent, waiting or counted as dropped."""
    return stats.sent + stats.waiting + stats.lost == offered


def test_below_the_limit_nothing_is_lost_and_the_order_stays() -> None:
    with receiving(all_stored) as receiver:
        it = shipper(receiver, Pace(age=0.02, batch=100))
        for n in range(1_050):
            assert it.put(line(n))
        assert it.flush()
        assert numbers(receiver) == list(range(1_050))
        assert it.stats() == Stats(1_050, 1_050, 0, {}, len(receiver.seen), 0, "")
        first = receiver.seen[0]
        assert first.path == "/api/monitoring/events/requests"
        assert first.headers["authorization"] == "Bearer tok"
        assert first.headers["content-type"] == "application/x-ndjson"
        assert first.headers["content-encoding"] == "gzip"
        assert len({d.headers["idempotency-key"] for d in receiver.seen}) == len(receiver.seen) >= 11
        it.close()


def test_a_full_batch_does_not_wait_for_its_age_and_a_single_line_does_not_wait_for_others() -> None:
    with receiving(all_stored) as receiver:
        it = shipper(receiver, Pace(age=30, batch=10))
        begun = time.monotonic()
        it.put(line(0))
        time.sleep(0.05)  # the thread sleeps by now
        for n in range(1, 10):
            it.put(line(n))
        receiver.wait(1)
        assert time.monotonic() - begun < 10
        it.close(1)
    with receiving(all_stored) as receiver:
        it = shipper(receiver, Pace(age=0.05, batch=1_000))
        it.put(line(1))
        receiver.wait(1, 10)
        it.close()


def test_busy_and_broken_receivers_are_tried_again_under_the_same_name() -> None:
    replies: list[Reply] = [
        (429, b"", {"Retry-After": "1"}), (503, {"error": {}}), "reset", (502, b"<html>"), (504, b""), (408, b""),
    ]  # fmt: skip
    with receiving(lambda n, d: replies[n] if n < len(replies) else all_stored(n, d)) as receiver:
        it = shipper(receiver)
        for n in range(5):
            it.put(line(n))
        receiver.wait(7)
        assert it.flush()
        assert {d.headers["idempotency-key"] for d in receiver.seen} == {receiver.seen[0].headers["idempotency-key"]}
        assert {d.body for d in receiver.seen} == {receiver.seen[0].body}
        assert receiver.seen[1].at - receiver.seen[0].at >= 0.99, "Retry-After is kept"
        stats = it.stats()
        assert (stats.sent, stats.lost) == (5, 0)
        assert stats.retries >= 5, "a reset connection may be opened again at once"
        it.close()


def test_a_receiver_that_hangs_costs_the_caller_nothing() -> None:
    with receiving(lambda n, d: "hang" if n == 0 else all_stored(n, d)) as receiver:
        it = shipper(receiver, timeout=1.0)
        begun = time.monotonic()
        for n in range(500):
            it.put(line(n))
        assert time.monotonic() - begun < 1.0
        assert it.flush(20)
        assert sorted(set(numbers(receiver))) == list(range(500))
        assert it.stats().sent == 500
        it.close()


def test_above_the_limit_lines_are_dropped_and_every_one_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    def answer(n: int, delivery: Delivery) -> Reply:
        gate.wait(20)
        return all_stored(n, delivery)

    with receiving(answer) as receiver, caplog.at_level(logging.WARNING, "pitchey_slo.instrument"):
        it = shipper(receiver, Pace(lines=300, batch=50, age=0.02))
        taken = sum(it.put(line(n)) for n in range(1_000))
        assert taken == 300
        assert it.stats().dropped == {"queue_full": 700}
        assert accounted(it.stats(), 1_000)
        gate.set()
        assert it.flush()
        assert len(receiver.rows) == 300
        assert accounted(it.stats(), 1_000)
        for n in range(100):
            it.put(line(n))
        assert it.flush()
        told = [r.getMessage() for r in caplog.records]
        assert told == ["test: 700 lines were dropped, 700 since the start (queue_full 700)"], "at most once a minute"
        it.close()


def test_bytes_are_bounded_too() -> None:
    with receiving(lambda n, d: "hang") as receiver:
        it = shipper(receiver, Pace(bytes=10_000, batch_bytes=5_000, age=0.02))
        taken = sum(it.put(b'"%s"' % (b"x" * 998)) for _ in range(50))
        assert taken == 10
        assert not it.put(b"x" * 5_001)
        assert it.stats().dropped == {"queue_full": 40, "too_long": 1}
        it.close(0.2)
        assert it.stats().dropped == {"queue_full": 40, "too_long": 1, "left_behind": 10}


def test_what_the_receiver_refuses_is_not_sent_again() -> None:
    def answer(n: int, delivery: Delivery) -> Reply:
        if n == 0:
            return stored(len(delivery.rows) - 2, {"bad_time": 2})
        detail = {"stored": 0, "duplicates": 0, "rejected": 1, "reasons": {"missing_field": 1}, "rows": []}
        return (422, {"error": {"reason": "invalid_rows", "detail": detail}}) if n == 1 else (401, {"error": {}})

    with receiving(answer) as receiver:
        it = shipper(receiver)
        for count in (10, 1, 3):
            for n in range(count):
                it.put(line(n))
            assert it.flush()
        assert len(receiver.seen) == 3
        assert it.stats().sent == 8
        assert it.stats().dropped == {"bad_time": 2, "missing_field": 1, "status_401": 3}
        assert "401" in it.stats().trouble
        it.close()


def test_a_delivery_that_is_too_large_is_halved_until_it_fits() -> None:
    def answer(n: int, delivery: Delivery) -> Reply:
        large = len(delivery.rows) > 3 or {"n": 7} in delivery.rows
        return (413, {"error": {}}) if large else all_stored(n, delivery)

    with receiving(answer) as receiver:
        it = shipper(receiver)
        for n in range(10):
            it.put(line(n))
        assert it.flush()
        assert it.stats().sent == 9
        assert it.stats().dropped == {"status_413": 1}
        keys = [d.headers["idempotency-key"] for d in receiver.seen]
        assert len(set(keys)) == len(keys), "each part is a delivery of its own"
        it.close()


def test_patience_ends(caplog: pytest.LogCaptureFixture) -> None:
    with receiving(lambda n, d: (503, b"")) as receiver, caplog.at_level(logging.WARNING):
        it = shipper(receiver, Pace(age=0.01, first=0.02, most=0.05, patience=0.3))
        it.put(line(1))
        deadline = time.monotonic() + 10
        while not it.stats().dropped and time.monotonic() < deadline:
            time.sleep(0.01)
        assert it.stats().dropped == {"given_up": 1}
        assert it.stats().waiting == 0
        assert len(receiver.seen) > 1
        assert it.flush(5)
        it.close()
    assert "the receiver: 503" in caplog.text


def test_closing_sends_what_waits_within_its_time_and_counts_the_rest() -> None:
    with receiving(all_stored) as receiver:
        it = shipper(receiver, Pace(age=30))
        for n in range(100):
            it.put(line(n))
        assert it.close().sent == 100
        assert not it.put(line(1))
        assert it.stats().dropped == {"left_behind": 1}
        assert len(receiver.rows) == 100
    with receiving(lambda n, d: (503, b"", {"Retry-After": "60"}) if n < 1 else all_stored(n, d)) as receiver:
        it = shipper(receiver, Pace(age=0.01))
        it.put(line(1))
        receiver.wait(1)
        assert it.close(2.0).sent == 1, "near the end it does not wait as long as it was asked to"
    with receiving(lambda n, d: "hang") as receiver:
        it = shipper(receiver)
        for n in range(5):
            it.put(line(n))
        begun = time.monotonic()
        assert it.close(0.3).dropped == {"left_behind": 5}
        assert time.monotonic() - begun < 2


def test_nobody_there() -> None:
    it = Shipper("test", Workbench("http://127.0.0.1:9", None, "requests"), QUICK)
    it.put(line(1))
    assert not it.flush(0.3)
    assert "refused" in it.stats().trouble.lower()
    assert it.close(0.2).dropped == {"left_behind": 1}


def test_a_sink_that_raises_does_not_end_the_thread() -> None:
    class Broken:
        calls = 0

        def send(self, lines: object, key: str) -> object:
            self.calls += 1
            raise ZeroDivisionError("what a sink")

        def forget(self) -> None:
            pass

    sink = Broken()
    it = Shipper("test", sink, Pace(age=0.01, first=0.01, most=0.02, patience=0.1))  # type: ignore[arg-type]
    it.put(b"1")
    assert it.flush(10)
    it.put(b"2")
    assert it.flush(10)
    assert it.stats().dropped == {"given_up": 2}
    assert sink.calls > 2
    it.close()


def test_many_threads_put_at_once() -> None:
    with receiving(all_stored) as receiver:
        it = shipper(receiver, Pace(age=0.01, batch=500))
        threads = [
            threading.Thread(target=lambda s=s: [it.put(line(s * 10_000 + n)) for n in range(500)]) for s in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert it.flush()
        assert sorted(numbers(receiver)) == sorted(s * 10_000 + n for s in range(8) for n in range(500))
        it.close()


def naive_batches(lines: list[bytes], most: int, most_bytes: int) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    for one in lines:
        if found and len(found[-1]) < most and sum(map(len, found[-1])) + len(one) <= most_bytes:
            found[-1].append(one)
        else:
            found.append([one])
    return found


@pytest.mark.parametrize("most", [1, 3, 7])
@pytest.mark.parametrize("most_bytes", [1, 10, 25])
def test_batches_hold_as_much_as_they_may(most: int, most_bytes: int) -> None:
    lines = [b"x" * (i * 7 % 13 + 1) for i in range(60)]
    assert [list(b) for b in batches(lines, most, most_bytes)] == naive_batches(lines, most, most_bytes)


SCRIPT = """
import os, signal, sys, time
from pitchey_slo.instrument import Pace, Shipper
from pitchey_slo.instrument.workbench import Workbench
it = Shipper("child", Workbench(sys.argv[1], None, "requests"), Pace(age=30))
def put(first, count):
    for n in range(first, first + count):
        it.put(b'{"n":%d}' % n)
"""

ENDS = {
    "returns": "put(0, 20)",
    "sys.exit": "put(0, 20); sys.exit(0)",
    "raises": "put(0, 20); raise ValueError('x')",
    "SIGTERM": "put(0, 20); os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)",
    "SIGINT": "put(0, 20); os.kill(os.getpid(), signal.SIGINT); time.sleep(20)",
    "fork": """
put(0, 10)
if os.fork() == 0:
    put(10, 5)
    sys.exit(0)
os.wait()
put(15, 5)
""",
    "multiprocessing": """
import multiprocessing
put(0, 10)
child = multiprocessing.get_context("fork").Process(target=put, args=(10, 10))
child.start(); child.join()
""",
    "fork with the lock held": """
put(0, 10)
with it._lock:
    pid = os.fork()
    if pid == 0:
        import threading
        done = threading.Thread(target=put, args=(10, 10))
        done.start(); done.join(5)
        sys.exit(0)
os.waitpid(pid, 0)
""",
    "a handler that puts while it is inside put": """
def handler(number, frame):
    put(1000, 0)
    it.put(b'{"n":%d}' % (10 + handler.n)); handler.n += 1
handler.n = 0
signal.signal(signal.SIGALRM, handler)
put(0, 10)
with it._lock:
    for _ in range(10):
        os.kill(os.getpid(), signal.SIGALRM)
""",
}


@pytest.fixture(scope="module")
def noted() -> Iterator[Receiver]:
    with receiving(all_stored) as receiver:
        yield receiver


@pytest.mark.parametrize("end", ENDS)
def test_whatever_way_a_process_ends_what_waits_is_sent_once(noted: Receiver, end: str) -> None:
    before = len(noted.rows)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + ENDS[end], noted.url], capture_output=True, text=True, timeout=60
    )
    assert sorted(row["n"] for row in noted.rows[before:]) == list(range(20)), done.stderr
    assert done.returncode == {"SIGTERM": -15, "SIGINT": -2, "raises": 1}.get(end, 0), done.stderr


def test_a_service_that_handles_sigterm_itself_keeps_its_handler(noted: Receiver) -> None:
    before = len(noted.rows)
    code = SCRIPT.replace("it = ", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nit = ")
    end = "put(0, 20); os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)"
    done = subprocess.run([sys.executable, "-c", code + end, noted.url], capture_output=True, timeout=60)
    assert done.returncode == 7
    assert len(noted.rows) - before == 20


def test_addresses_and_tokens_that_cannot_work_are_said_at_once() -> None:
    for url in ("", "example.org", "ftp://example.org", "http://"):
        with pytest.raises(ConfigError):
            Post(url)
    with pytest.raises(ConfigError) as told:
        Post("https://me:hunter2@example.org/x")
    assert "hunter2" not in str(told.value)
    with pytest.raises(ConfigError) as told:
        Post("https://example.org", {"authorization": "Bearer hunter2\n"})
    assert "hunter2" not in str(told.value)


def test_over_tls_only_a_trusted_receiver_sees_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = certificate(tmp_path)
    with receiving(all_stored, certificate=pair) as receiver:
        it = shipper(receiver)
        it.put(line(1))
        assert not it.flush(0.5)
        assert "CERTIFICATE_VERIFY_FAILED" in it.stats().trouble
        assert not receiver.seen
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
        assert it.flush(10)
        assert receiver.seen[0].headers["authorization"] == "Bearer tok"
        it.close()


def test_retry_after_is_a_number_or_a_date() -> None:
    from email.utils import formatdate

    assert seconds("7") == 7
    assert seconds("99999") == 300
    assert 8 < seconds(formatdate(time.time() + 10, usegmt=True)) <= 10
    assert [seconds(text) for text in (None, "", "soon", "-5", formatdate(0, usegmt=True))] == [0] * 5
