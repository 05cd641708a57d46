"""Plain functions and jobs: name, time and outcome, whatever way they end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pitchey_slo import monitored
from pitchey_slo.instrument import Monitoring, Pace, current, jobs, monitor, traceparent, work
from tests.instrument.receivers import Receiver, all_stored, receiving


@pytest.fixture
def noted() -> Iterator[Receiver]:
    with receiving(all_stored) as receiver:
        yield receiver


@pytest.fixture
def monitoring(noted: Receiver) -> Iterator[Monitoring]:
    made = monitor(url=noted.url, service="jobs", pace=Pace(age=0.01))
    yield made
    made.close(1)
    jobs.use(monitor(service="nobody"))


def rows(noted: Receiver, monitoring: Monitoring, table: str = "requests") -> list[dict[str, Any]]:
    assert monitoring.flush()
    return [row for d in noted.seen if d.path.endswith(table) for row in d.rows]


def test_functions_plain_and_async(noted: Receiver, monitoring: Monitoring) -> None:
    @monitored("add")
    def add(a: int, b: int) -> int:
        """Adds."""
        assert current() is not None
        return a + b

    @monitored()
    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "done"

    async def several() -> None:
        assert await asyncio.gather(slow(), slow()) == ["done", "done"]

    assert add(1, b=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    asyncio.run(several())
    found = rows(noted, monitoring)
    assert [(r["route"], r["method"], r["status"]) for r in found] == [
        ("add", "JOB", 200), (found[1]["route"], "JOB", 200), (found[1]["route"], "JOB", 200),
    ]  # fmt: skip
    assert found[1]["route"].endswith("slow")
    assert found[1]["duration_ms"] >= 50
    assert len({r["trace_id"] for r in found}) == 3


def test_outcomes(noted: Receiver, monitoring: Monitoring) -> None:
    with pytest.raises(ValueError, match="x"), monitored("raises"):
        raise ValueError("x of nora.quist@example.org")
    with pytest.raises(SystemExit), monitored("leaves"):
        sys.exit()
    with pytest.raises(SystemExit), monitored("leaves badly"):
        sys.exit("no input")

    async def cancelled() -> None:
        async with monitored("cancelled"):
            await asyncio.sleep(30)

    async def main() -> None:
        task = asyncio.create_task(cancelled())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert {r["route"]: r["status"] for r in rows(noted, monitoring)} == {
        "raises": 500, "leaves": 200, "leaves badly": 500, "cancelled": 0,
    }  # fmt: skip
    (error,) = rows(noted, monitoring, "logs")
    assert (error["error_type"], error["route"]) == ("ValueError", "raises")
    assert "nora" not in str(error)


def test_traces_go_on_from_the_sender_and_from_the_work_around(noted: Receiver, monitoring: Monitoring) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert traceparent() == {}
    with work("consume", traceparent=parent, request_id="r1") as outer:
        assert outer.trace_id == parent[3:35]
        with monitored("inside") as inner:
            assert inner.trace_id == outer.trace_id
            assert inner.span_id != outer.span_id
            assert traceparent() == {"traceparent": f"00-{inner.trace_id}-{inner.span_id}-01"}
        assert current() is outer
    assert current() is None
    with monitored("own", traceparent="nonsense") as own:
        assert own.trace_id != parent[3:35]
    assert [r["trace_id"] for r in rows(noted, monitoring)] == [parent[3:35], own.trace_id]


def test_what_cannot_be_watched_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="generator"):

        @monitored("steps")
        def steps() -> Iterator[int]:
            yield 1

    with pytest.raises(TypeError, match="parentheses"):

        @monitored  # type: ignore[arg-type]
        def forgotten() -> None: ...


def test_without_monitoring_the_work_runs_as_it_would_alone() -> None:
    jobs._used.clear()
    with monitored("alone"):
        pass

    @monitored("fails")
    def fails() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        fails()
