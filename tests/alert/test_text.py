"""The words of a message: short title, number and time, links that are links, nothing that harms."""

from __future__ import annotations

import dataclasses
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.alert.clean import clean, clean_lines, cut_bytes
from pitchey_slo.alert.links import address_of
from pitchey_slo.alert.model import Alert, Message
from pitchey_slo.alert.text import Told, lasting, tell, title_of
from pitchey_slo.testing import NOON

from .channels.made import alert, message


def told(said: Message) -> Told:
    return tell(said, NOON, "http://here")


@pytest.mark.parametrize(
    ("said", "title"),
    [
        (message(alert()), "[FIRING:1] critical HighErrorRate"),
        (message(alert(), alert("Slow")), "[FIRING:2] critical HighErrorRate, Slow"),
        (message(alert(), group_labels={"alertname": "HighErrorRate", "route": "/a"}),
         "[FIRING:1] critical HighErrorRate (route=/a)"),
        (message(alert(state="resolved"), action="resolved"), "[RESOLVED:1] critical HighErrorRate"),
        (message(alert(), action="reminder"), "[STILL FIRING:1] critical HighErrorRate"),
        (message(alert(), action="escalation", level=2), "[ESCALATION level 2] critical HighErrorRate"),
        (message(title="silence ends soon", action="message"), "[NOTE] silence ends soon"),
        (message(title="14 more: 14 info", action="digest"), "[DIGEST] 14 more: 14 info"),
        (message(alert(severity="")), "[FIRING:1] HighErrorRate"),
        (message(alert(""), severity="critical"), "[FIRING:1] critical alert"),
    ],
)  # fmt: skip
def test_titles(said: Message, title: str) -> None:
    assert title_of(said) == title


def test_a_title_fits_a_lock_screen() -> None:
    many = [alert("Name" * 100 + str(i)) for i in range(50)]
    assert len(title_of(message(*many, group_labels={"route": "/x" * 500}))) <= 120


def test_labels_that_differ_are_at_the_alert_and_the_others_below() -> None:
    both = [alert(labels={"service": "api", "route": route}) for route in ("/a", "/b")]
    found = told(message(*both))
    assert [dict(a.labels) for a in found.alerts] == [{"route": "/a"}, {"route": "/b"}]
    assert dict(found.labels) == {"service": "api"}
    assert "All of them: service=api" in found.plain()


def test_number_time_and_duration() -> None:
    assert told(message(alert())).alerts[0].timing == "value 0.0761, since 11:48 UTC (12 min)"
    gone = alert(state="resolved", active_at=NOON - timedelta(days=2, hours=3), fired_at=NOON - timedelta(days=2))
    assert told(message(gone)).alerts[0].timing == "last value 0.0761, over after 2 d: 28 Feb 12:00 UTC to 12:00 UTC"
    pushed = alert(value=None)
    assert told(message(pushed)).alerts[0].timing == "since 11:48 UTC (12 min)"
    taken = dataclasses.replace(alert(), acked_at=NOON, acked_by="kim")
    assert told(message(taken)).alerts[0].timing.endswith(", taken on by kim")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3_600, "1 h"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h"),
     (-5, "0 s")],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


def test_twenty_are_told_and_the_others_counted() -> None:
    found = told(message(*[alert(labels={"n": str(i)}) for i in range(100)]))
    assert (len(found.alerts), found.more) == (20, 80)
    assert "... and 80 more." in found.plain()


class TestLinks:
    def test_in_the_order_people_need_them(self) -> None:
        one = alert(annotations={"runbook_url": "https://r.example/", "dashboard": "/d/api"})
        found = told(message(one, links={"Investigation": "/reports/7.html"})).links
        page = f"http://here/alerts/{one.id}"
        assert dict(found) == {
            "Runbook": "https://r.example/", "Dashboard": "http://here/d/api", "Investigation": "http://here/reports/7.html",
            "Acknowledge": f"{page}#acknowledge", "Silence": f"{page}#silence", "Why": page,
        }  # fmt: skip
        assert list(found) == ["Runbook", "Dashboard", "Investigation", "Acknowledge", "Silence", "Why"]

    def test_what_is_over_needs_no_acknowledging(self) -> None:
        assert list(told(message(alert(state="resolved"))).links) == ["Why"]

    def test_different_runbooks_stand_at_their_alerts(self) -> None:
        both = [alert(n, annotations={"runbook_url": f"https://r.example/{n}"}) for n in ("a", "b")]
        found = told(message(*both))
        assert "Runbook" not in found.links
        assert [dict(a.links) for a in found.alerts] == [{"Runbook": f"https://r.example/{n}"} for n in ("a", "b")]

    def test_a_runbook_that_is_no_address_is_text(self) -> None:
        found = told(message(alert(annotations={"runbook": "docs/runbooks/high-error-rate.md"})))
        assert "Runbook: docs/runbooks/high-error-rate.md" in found.alerts[0].lines
        assert "Runbook" not in found.links

    @pytest.mark.parametrize(
        "raw",
        ["javascript:alert(1)", "data:text/html,x", "//evil.example/x", "https://", "file:///etc/passwd", "x" * 3_000,
         "https://user:pw@evil.example/", "http://[::1", ""],
    )  # fmt: skip
    def test_what_is_no_link(self, raw: str) -> None:
        assert address_of(raw, "http://here") is None

    def test_nothing_in_an_address_ends_the_markup_around_it(self) -> None:
        found = address_of("https://e.example/\"><script>|'`\n x", "http://here")
        assert found is not None
        assert not set(found) & set("\"<>|'`\n ")


@given(st.text(max_size=300))
def test_clean_text_is_one_line_without_anything_hidden(text: str) -> None:
    found = clean(text, 100)
    assert len(found) <= 100
    assert "\n" not in found
    kinds = {unicodedata.category(c) for c in found}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    assert not [c for c in found if "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069"]
    assert clean(found, 100) == found
    found.encode()


def test_a_megabyte_is_cut_before_it_is_looked_at() -> None:
    assert clean("x" * 1_000_000, 50) == "x" * 49 + "…"
    assert len(clean_lines("line\n" * 500_000, 2_000)) <= 2_000
    assert len(cut_bytes("é" * 1_000, 99).encode()) <= 99


def test_marks_that_pile_up_are_thinned() -> None:
    assert clean("Z" + "\u0310" * 50 + "o") == "Z" + "\u0310" * 3 + "o"


def test_a_hostile_alert_makes_a_bounded_message() -> None:
    big = Alert(
        {f"l{i}": "v" * 100_000 for i in range(100)} | {"alertname": "\u202eodd\x00"},
        "firing", NOON, NOON, annotations={f"a{i}": "t" * 100_000 for i in range(50)} | {"summary": "s" * 1_000_000},
    )  # fmt: skip
    found = told(message(*[dataclasses.replace(big, labels={**big.labels, "n": str(i)}) for i in range(100)]))
    assert len(found.plain()) < 120_000
    assert found.title == "[FIRING:100] odd"
