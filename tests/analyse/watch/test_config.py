"""config/anomalies.yml: read strictly, refused with line and caret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.analyse.watch.config import Watched, load_watched, parse_watched
from pitchey_slo.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "config" / "anomalies.yml"


def test_what_is_left_out_has_a_default() -> None:
    assert parse_watched("watch:\n- {name: errors, expr: up}\n") == (Watched("errors", "up"),)
    one = parse_watched(
        "watch:\n- {name: a, expr: up, detectors: [mad, ewma], every: 5m, history: 7d, timezone: Europe/Dublin}\n"
    )
    assert one == (Watched("a", "up", ("mad", "ewma"), 300_000, 7 * 86_400_000, "Europe/Dublin"),)


def test_no_file_and_an_empty_one_watch_nothing(tmp_path: Path) -> None:
    assert load_watched(tmp_path / "anomalies.yml") == ()
    assert parse_watched("") == ()
    assert parse_watched("watch:\n") == ()


def test_the_shipped_file_is_read() -> None:
    assert {"error-ratio", "payments"} <= {each.name for each in load_watched(SHIPPED)}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{name: a}", "expr is missing"),
        ("{expr: up}", "name is missing"),
        ("{name: A b, expr: up}", "'A b' is no name"),
        ("{name: a, expr: 'rate(up'}", "expr"),
        ("{name: a, expr: up, detectors: [mda]}", "no detector 'mda'"),
        ("{name: a, expr: up, every: 1s}", "no duration of at least 15s"),
        ("{name: a, expr: up, timezone: Mars}", "no time zone 'Mars'"),
        ("{name: a, expr: up, evry: 1m}", "unknown key 'evry'"),
    ],
)
def test_what_is_wrong_is_shown(entry: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_watched(f"watch:\n- {entry}\n", file="anomalies.yml")
    assert told in str(caught.value)
    assert "anomalies.yml:2" in str(caught.value)
    assert "^" in str(caught.value)


def test_two_of_one_name_would_be_one_series() -> None:
    with pytest.raises(ConfigError, match="two series to watch are called 'a'"):
        parse_watched("watch:\n- {name: a, expr: up}\n- {name: a, expr: down}\n")
