"""Templates give what Go gives, and cannot do harm."""

from __future__ import annotations

import doctest
import importlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pitchey_slo.alert.templates import ALERTMANAGER, Alerts, Pairs, Struct, TemplateError, prometheus_functions, render
from pitchey_slo.alert.templates.expand import expand
from pitchey_slo.testing import NOON

FOUND = [({"__name__": "up", "instance": "b", "job": "x"}, 11.0), ({"__name__": "up", "instance": "a"}, 21.0)]
FUNCTIONS = prometheus_functions(query=lambda _: FOUND, now=NOON, external_url="http://slo.example/a/b")
LABELS = {"instance": "web1:8080", "job": "api"}


def made(text: str, value: Any = 1234567.0) -> str:
    data = {"Labels": LABELS, "Value": value}
    variables = {"$labels": LABELS, "$value": value, "$externalLabels": {}, "$externalURL": "u"}
    return render(text, data, FUNCTIONS, variables=variables)


@pytest.mark.parametrize("module", ["go_format", "functions", "values"])
def test_the_examples_in_the_code(module: str) -> None:
    done = doctest.testmod(importlib.import_module(f"pitchey_slo.alert.templates.{module}"))
    assert done.failed == 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain text", "plain text"),
        ("{{ $value }} {{ $labels }}", "1.234567e+06 map[instance:web1:8080 job:api]"),
        ("{{ .Labels.job }} {{ $labels.nothing }}|", "api |"),
        ("{{ $value | humanize }} {{ humanize1024 2147483648.0 }}", "1.235M 2Gi"),
        ("{{ humanizeDuration 3725 }} {{ humanizePercentage 0.0712 }}", "1h 2m 5s 7.12%"),
        ("{{ humanizeTimestamp 1772452800 }}", "2026-03-02 12:00:00 +0000 UTC"),
        ('{{ (toTime 1772452800).Format "15:04" }} {{ (toTime 1772452800.5).Unix }}', "12:00 1772452800"),
        ('{{ printf "%.1f%% of %5d|%-3s|%q" 12.345 7 "a" "b" }}', '12.3% of     7|a  |"b"'),
        ('{{ $value | printf "%.2f" }}', "1234567.00"),
        ('{{ title "ab cd" }} {{ toUpper "a" }} {{ toLower "A" }}', "Ab Cd A a"),
        ('{{ match "^w.b" $labels.instance }} {{ match "x" "y" }}', "true false"),
        ('{{ reReplaceAll "(.*):(\\\\d+)" "$2:$1" $labels.instance }}', "8080:web1"),
        ("{{ stripPort $labels.instance }} {{ stripDomain `a.b.c:1` }}", "web1 a:1"),
        ('{{ parseDuration "1h30m" }}', "5400"),
        ('{{ query "up" | first | value }} {{ with query "up" }}{{ . | first | label "job" }}{{ end }}', "11 x"),
        ('{{ range query "up" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }};{{ end }}', "a=21;b=11;"),
        ('{{ tableLink "up > 1" }} {{ graphLink "a" }}', "/graph?g0.expr=up+%3E+1&g0.tab=1 /graph?g0.expr=a&g0.tab=0"),
        ("{{ externalURL }} {{ pathPrefix }} {{ $externalURL }}", "http://slo.example/a/b /a/b u"),
        ('{{ define "x" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "x" (args 1 "b") }}', "1-b"),
        ('{{ block "y" 5 }}[{{ . }}]{{ end }}', "[5]"),
        ("{{ if gt $value 5.0 }}big{{ else if eq $value 1.0 }}one{{ else }}small{{ end }}", "big"),
        ("{{ if and (gt $value 5) (lt $value 6) }}a{{ else }}b{{ end }}", "b"),
        ("{{ or 0 `` nil `x` }} {{ and 1 `` }}| {{ not 0 }}", "x | true"),
        ("{{ with $labels.nothing }}a{{ else with $labels.job }}{{ . }}{{ end }}", "api"),
        ("{{ range $k, $v := $labels }}{{ $k }}={{ $v }} {{ end }}", "instance=web1:8080 job=api "),
        ("{{ range query `x` }}{{ .Value }}{{ break }}{{ end }}", "11"),
        ("{{ range 4 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ . }}{{ else }}none{{ end }}", "023"),
        ("{{ range $labels.nothing }}x{{ else }}none{{ end }}", "none"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ end }}{{ $x }}", "2"),
        ("a {{- 1 -}} b {{- /* gone */ -}} c", "a1bc"),
        ("{{ index $labels `job` }} {{ len $labels }} {{ slice `abcd` 1 3 }} {{ eq 1 2 1 }}", "api 2 bc true"),
        ("{{ `}}` }} {{ \"a\\n\\u00e9\" }} {{ 0x10 }} {{ -1.5e3 }} {{ 'a' }}", "}} a\né 16 -1500 97"),
        ("{{ print 1 2 `a` 3 }} {{ println 1 }}", "1 2a3 1\n"),
        ("{{ html `<a>` }} {{ urlquery `a b` }}", "&lt;a&gt; a+b"),
    ],
)
def test_what_a_template_gives(text: str, wanted: str) -> None:
    assert made(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ hmanize 1 }}", "no function 'hmanize'; did you mean \"humanize\"?"),
        ("{{ $lables }}", "no variable '$lables'; did you mean \"$labels\"?"),
        ("{{ if $value }}", "{{end}} is missing"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ $value ", "unclosed action"),
        ("{{ }}", "missing value"),
        ("{{ ( $value }}", "bracket"),
        ("{{ $value) }}", "unexpected ')'"),
        ('{{ "a" | "b" }}', "cannot take the value"),
        ("{{ 5 6 }}", "no arguments"),
        ("{{ break }}", "outside {{range}}"),
        ("{{ template `x` }}", "no template 'x'"),
        ("{{ humanize `x` }}", "is no number"),
        ("{{ gt `a` 1 }}", "cannot be compared"),
        ("{{ first (query `x` | slice 5) }}", "slice"),
        ("{{ .Value.x }}", "no field 'x'"),
        ("{{ index (query `x`) 9 }}", "index 9 of 2"),
        ("{{ humanize }}", "humanize"),
        ("{{ match `(` `a` }}", "bad pattern"),
        ("{{ .Labels.__class__.x }}", "no field"),
    ],
)
def test_what_is_wrong_with_a_template(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        made(text)
    assert message in error.value.message


@pytest.mark.parametrize(
    "name", ["__class__", "__init__", "_fields", "field", "keys", "items", "append", "sorted_pairs"]
)
def test_no_name_leads_into_python(name: str) -> None:
    data = Struct(Labels=Pairs(a="b"), List=Alerts([Struct(Status="firing")]), Time=NOON, Text="x")
    for start in ("", ".Labels", ".List", ".Time", ".Text"):
        made_of = expand(f"{{{{ {start}.{name} }}}}", data, ALERTMANAGER)
        assert made_of in ("", made_of) and ("error" in made_of or made_of == ""), made_of


@pytest.mark.parametrize(
    "text",
    [
        "{{ range 100000000 }}x{{ end }}",
        "{{ range 1000 }}{{ range 1000 }}x{{ end }}{{ end }}",
        '{{ define "a" }}{{ template "a" . }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
        "{{ $x := `aaaaaaaaaa` }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",
        '{{ printf "%1000000000d%.1000000000f" 1 1.0 }}{{ range 9999 }}{{ printf "%999d" 1 }}{{ end }}',
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{ if 1 }}" * 5000,
        "{{ match `(a*)*(b*)*(c*)*$` `" + "a" * 5000 + "` }}{{ .x.y.z }}",
    ],
)
def test_endless_templates_end(text: str) -> None:
    started = time.process_time()
    assert len(expand(text, {}, FUNCTIONS)) < 2 << 20
    assert time.process_time() - started < 5


def test_an_error_is_told_in_the_text() -> None:
    assert expand("a {{ hmanize 1 }}", {}, FUNCTIONS).startswith("<error expanding template: no function 'hmanize'")


def test_a_message_of_alertmanager() -> None:
    text = (
        "[{{ .Status | toUpper }}{{ if eq .Status `firing` }}:{{ .Alerts.Firing | len }}{{ end }}] "
        "{{ .GroupLabels.SortedPairs.Values | join ` ` }} {{ range .CommonLabels.Remove (stringSlice `job`) }}{{ end }}"
        "{{ with .CommonLabels.Remove .GroupLabels.Names }}({{ .Values | join ` ` }}){{ end }}"
        '{{ range .Alerts.Resolved }} {{ .Labels.job }} {{ .StartsAt.Format "Jan _2 15:04" }}'
        ' {{ .StartsAt | tz "Europe/London" | date "15:04 MST" }} {{ .StartsAt.UTC.Year }}{{ end }}'
    )
    resolved = Struct(Status="resolved", Labels=Pairs(job="api"), StartsAt=datetime(2026, 7, 2, 9, 5, tzinfo=UTC))
    data = Struct(
        Status="firing",
        Alerts=Alerts([Struct(Status="firing"), resolved]),
        GroupLabels=Pairs(job="api", alertname="Errors"),
        CommonLabels=Pairs(job="api", alertname="Errors", zone="eu"),
    )
    assert render(text, data, ALERTMANAGER) == "[FIRING:1] Errors api (eu) api Jul  2 09:05 10:05 BST 2026"


def test_definitions_come_from_other_texts() -> None:
    defined = ['{{ define "t" }}<{{ . }}>{{ end }}', '{{ define "u" }}{{ template "t" . }}{{ end }}']
    assert render('{{ template "u" .a }}', {"a": 1}, ALERTMANAGER, definitions=defined) == "<1>"


def test_html_is_escaped_unless_it_is_called_safe() -> None:
    assert render("<b>{{ . }}{{ safeHtml . }}</b>", "<i>", ALERTMANAGER, as_html=True) == "<b>&lt;i&gt;<i></b>"


def test_since() -> None:
    assert render("{{ since . }}", datetime.now(UTC) - timedelta(hours=2), ALERTMANAGER).startswith("2h0m")
