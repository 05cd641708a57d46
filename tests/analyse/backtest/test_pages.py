"""Firings through a routes file: who is woken, and what waits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.analyse.backtest import Backtest, Provenance, through_routing
from pitchey_slo.settings import Settings

from .made import at, firing, history

ROUTES = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
  - matchers: [severity="critical"]
    receiver: pager
    escalation: up
  - matchers: [severity="ticket"]
    receiver: team
    escalation: slowly
escalation:
- {name: up, levels: [{after: 15m, receiver: boss}]}
- name: slowly
  levels: [{after: 5m, receiver: boss}]
  business_hours: office
  outside_hours: hold
business_hours:
- name: office
  location: UTC
  weekdays: ["monday:friday"]
  times: [{start_time: "09:00", end_time: "17:00"}]
receivers:
- {name: pager, console_configs: [{send_resolved: true}, {}]}
- {name: boss, console_configs: [{send_resolved: false}]}
- {name: team, console_configs: [{send_resolved: true}]}
"""

NIGHT = 12 * 60  # noon and twelve hours: midnight


@pytest.fixture
def routes(tmp_path: Path) -> RoutesConfig:
    (tmp_path / "routes.yml").write_text(ROUTES)
    return load_routes(tmp_path / "routes.yml", settings=Settings.load(env_file=None, home=tmp_path), environ={})


def over_two_days(*found: object) -> Backtest:
    return Backtest(at(0), at(2 * 1440), 15.0, (history(*found),), Provenance(""))  # type: ignore[arg-type]


def test_one_page_for_all_channels_of_a_receiver(routes: RoutesConfig) -> None:
    pages = through_routing(
        over_two_days(firing(10, 20, severity="critical")), routes, people={"pager": ["ann", "bob"]}
    )
    (page,) = pages.pages
    assert (page.at, page.receiver, page.channels) == (at(10.5), "pager", ("console/0", "console/1"))
    assert pages.by_person() == {"ann": 1, "bob": 1} and pages.by_receiver() == {"pager": 1}
    assert pages.resolved == 1 and not page.night and pages.per_week == 3.5


def test_escalation_runs_until_somebody_takes_it_on(routes: RoutesConfig) -> None:
    found = over_two_days(firing(10, 60, severity="critical"))
    assert [(p.receiver, p.action) for p in through_routing(found, routes).pages] == [
        ("pager", "firing"),
        ("boss", "escalation"),
    ]
    taken = through_routing(found, routes, acked_after=timedelta(minutes=5))
    assert [p.receiver for p in taken.pages] == ["pager"]


def test_an_alert_that_ends_before_it_is_told_wakes_nobody(routes: RoutesConfig) -> None:
    pages = through_routing(over_two_days(firing(10, 10.25, severity="critical")), routes)
    assert pages.pages == () and pages.words() == "Nobody would have been paged."


def test_nights_are_those_of_the_zone(routes: RoutesConfig) -> None:
    found = over_two_days(firing(NIGHT, NIGHT + 5), firing(NIGHT + 60, NIGHT + 70), firing(5, 8))
    pages = through_routing(found, routes)
    assert len(pages.at_night) == 2 and pages.nights == 1 and pages.per_night == 1.0
    assert len(through_routing(found, routes, zone="Australia/Sydney").at_night) == 1


def test_what_waits_until_morning(routes: RoutesConfig) -> None:
    found = over_two_days(firing(NIGHT, NIGHT + 12 * 60, severity="ticket"))
    pages = through_routing(found, routes)
    (waited,) = pages.until_morning
    assert waited.until == at(NIGHT + 9 * 60) and waited.alertname == "High"
    assert [p.at for p in pages.pages if p.receiver == "boss"] == [at(NIGHT + 9 * 60)]
    assert "1 alert waited until morning" in pages.words()
