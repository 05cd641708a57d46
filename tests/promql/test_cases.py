"""Our own cases in Prometheus' test format: `cases/*.test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .promqltest import run_file, run_text

CASES = sorted((Path(__file__).parent / "cases").glob("*.test"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases(path: Path) -> None:
    outcomes = run_file(path)
    assert outcomes
    wrong = [f"{path.name}:{o.line}: {o.text}: {o.status} {o.reason}" for o in outcomes if o.status != "passed"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("expected", "status"),
    [("{} 2", "passed"), ("{} 3", "failed"), ("{a='b'} 2", "failed"), ("expect fail", "failed"), ("", "failed")],
)
def test_the_runner_can_fail(expected: str, status: str) -> None:
    text = f"load 1m\n  x 0 1 2\n\neval instant at 2m sum(x)\n  {expected}\n"
    assert [o.status for o in run_text(text)] == [status]


def test_the_runner_names_what_is_not_supported() -> None:
    text = "load 1m\n  h {{schema:0 sum:1 count:1}}\n\neval instant at 0 sum(h)\n\neval instant at 0 limitk(1, h)\n"
    assert [(o.status, o.reason) for o in run_text(text)] == [
        ("not supported", "native histograms"),
        ("not supported", "not supported: limitk() is experimental in Prometheus"),
    ]
