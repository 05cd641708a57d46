"""Shared by all tests: with CI=true a skip is a failure, since every part is promised to be there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pitchey_slo.store import Store
from pitchey_slo.testing import FixedClock, fresh_store
from tests.depth import examples

# servers that tests start as processes come without dashboards, which take a second of processor time; tests/show asks
os.environ.setdefault("PITCHEY_DASHBOARDS", "off")

# a busy machine is slow, not wrong: speed is measured in benchmarks/
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=examples(100))
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

#: Real data written by others; lies beside the project, never in it, so its absence may skip anywhere.
CONFORMANCE = Path(__file__).resolve().parents[2] / "shared" / "conformance"


#: Reasons that may skip a test anywhere: data that lie beside the project, and what a kernel grants, not a package.
MAY_SKIP = ("conformance", "makes no network namespaces", "has no IPv6 loopback")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") == "true" and not any(why in str(report.longrepr) for why in MAY_SKIP):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"


#: Files that take longest, begun first, so that no worker is left with one of them in the end: those that mostly wait
#: by turns with those that compute.
LONG = (
    *("report/test_schedule_two_weeks", "deploy/test_worker", "report/test_schedule_killed"),
    *("collect/analytics_engine/test_killed", "report/test_again", "web/test_reports"),
    *("alert/acceptance/test_acceptance", "report/test_run", "demo/test_review", "alert/test_alert_crash"),
    *("probe/synthetic/test_agent_netns", "report/test_synthetic_notebook"),
    *("report/test_notebook", "alert/test_outbox_crash", "analyse/backtest/test_live", "web/test_crash"),
    *("demo/test_live_alerts", "alert/test_outbox", "web/test_cli", "analyse/review/test_propose", "web/test_edge"),
    *("web/test_alertmanager_real", "web/test_prometheus_real", "report/test_one_number", "store/test_damage"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, in this order; `--no-loadscope-reorder` keeps it, xdist would begin those of many tests."""
    place = {f"{name}.py": i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.location[0].removeprefix("tests/"), len(LONG)))


@pytest.fixture
def conformance() -> Path:
    """The folder of real data; skips the test where it is absent."""
    if not CONFORMANCE.exists():
        pytest.skip("the conformance data do not lie beside this checkout")
    return CONFORMANCE


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    """A store of its own, without background work."""
    with fresh_store(tmp_path / "home", clock=clock) as opened:
        yield opened
