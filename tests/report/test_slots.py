"""Two places and a line, over threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from pitchey_slo.report.slots import alone, slot

HOLD = "import sys, time; from pathlib import Path; from pitchey_slo.report.slots import slot\n"
HOLD += "with slot(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_third_waits_knows_its_place_and_comes_in_order(tmp_path: Path) -> None:
    places: dict[str, list[int]] = {"c": [], "d": []}
    came: list[str] = []
    release = threading.Event()

    def ask(name: str) -> None:
        with slot(tmp_path, places[name].append):
            came.append(name)

    with slot(tmp_path) as first:
        with slot(tmp_path) as second:
            assert {first, second} == {0, 1}
            threads = []
            for name in ("c", "d"):
                threads.append(threading.Thread(target=ask, args=(name,)))
                threads[-1].start()
                until(lambda name=name: places[name])
            assert places == {"c": [1], "d": [2]}
            assert came == []
            release.set()
        for thread in threads:
            thread.join(20)
    assert came == ["c", "d"]
    assert not list((tmp_path / ".slots").glob("wait-*"))


def test_places_of_a_process_that_was_killed_are_free(tmp_path: Path) -> None:
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        until(lambda: len(list((tmp_path / ".slots").glob("wait-*"))) == 1)  # two hold, one waits
        for holder in holders:
            holder.kill()
            holder.wait(10)
        asked: list[int] = []
        with slot(tmp_path, asked.append), slot(tmp_path, asked.append):
            assert asked == []
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()


def test_who_asks_the_same_waits_and_says_so(tmp_path: Path) -> None:
    waited, order = [], []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with alone(tmp_path / "x" / "lock", lambda: waited.append(True)):
            order.append("second")

    with alone(tmp_path / "x" / "lock"):
        thread = threading.Thread(target=other)
        thread.start()
        until(lambda: waited)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
