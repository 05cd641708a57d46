"""The reader and the JSON Schema agree, every problem has its place, and what is shipped is right."""

from __future__ import annotations

import copy
import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from pitchey_slo.errors import ConfigError
from pitchey_slo.probe.synthetic import form, read, read_file
from pitchey_slo.probe.synthetic.definition import Assertion, Extract, Move, Request, Retries

CONFIG = Path(__file__).parents[3] / "config"
SHIPPED = sorted((CONFIG / "synthetics").glob("*.yaml"))

FULL = """\
name: full
kind: journey
component: api
description: everything once
interval: 5m
timeout: 20s
locations: [fra, iad]
enabled: true
retries: {count: 2, wait: 500ms}
degraded_after: 15s
consecutive: 2
allow: [base, 10.0.0.0/8, "db.internal:5432"]
maintenance:
  - {start: "2026-03-01T02:00", duration: 1h, rrule: FREQ=WEEKLY;BYDAY=SU, timezone: Europe/London, comment: backups}
variables: {n: 5, mail: "{{ random.email }}", both: "{{ n }} {{ mail }}"}
steps:
  - name: make
    request: {method: POST, url: "{{ base }}/x", headers: {x-a: 1}, json: {a: [1, true, null, "{{ mail }}"]}}
    assert:
      - status: [201, 2xx]
      - body: {contains: x}
      - {json: {path: $.a, length: 4}, otherwise: degraded}
      - header: {name: x-b, matches: "^a+$"}
      - latency: {below: 2s}
      - certificate_days: {above: 14}
    extract: {id: {json: $.id}, at: {header: location}, sid: {cookie: sid}, n2: {regex: "n=([0-9]+)"}}
    timeout: 5s
  - name: form
    request: {url: "{{ base }}/{{ steps.make.id }}", method: PUT, form: {a: 1}, follow: false}
  - name: clean-up
    always: true
    timeout: 30s
    request: {url: "{{ steps.make.at }}", method: DELETE, body: "${secret:KEY}"}
"""
BROWSER = """\
name: page
kind: browser
component: web
timeout: 30s
steps:
  - {name: open, goto: "{{ base }}/"}
  - {name: name, fill: {selector: "#name", value: 5}}
  - {name: kind, select: {selector: "#kind", value: "{{ location }}"}}
  - {name: send, press: {selector: "#name", key: Enter}}
  - {name: more, click: "text=More", timeout: 2s}
  - {name: seen, expect: {visible: .done}}
  - {name: text, expect: {text: {selector: h1, value: Thanks}}}
  - {name: gone, expect: {hidden: .wait}}
  - {name: there, expect: {url: "{{ base }}/done"}}
  - {name: title, expect: {title: Done}}
  - {name: out, click: "#logout", always: true}
"""


def problems(text: str) -> list[str]:
    """`line: key: message` of each problem the reader finds."""
    with pytest.raises(ConfigError) as error:
        read(text, "t.yaml")
    return [f"{each['line']}: {each['key']}: {each['message']}" for each in error.value.detail]


def test_the_schema_file_is_the_one_the_reader_makes() -> None:
    """After a change: `python -c "from pitchey_slo.probe.synthetic import form; print(form.schema_text(), end='')"`."""
    assert (CONFIG / "schema" / "synthetic.schema.json").read_text(encoding="utf-8") == form.schema_text()
    jsonschema.Draft202012Validator.check_schema(form.schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_definitions_are_read_and_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = read_file(path)
    assert found.name == path.stem and found.text == text and found.description
    assert text.startswith("# yaml-language-server: $schema=../schema/synthetic.schema.json\n")
    jsonschema.validate(YAML(typ="safe").load(text), form.schema())
    assert found.allow == ("base",)


def test_the_names_that_were_promised_are_shipped() -> None:
    assert {path.stem for path in SHIPPED} >= {
        "api-health", "signup", "login", "pitch-creation", "nda", "investment", "browser-home",
    }  # fmt: skip


def test_a_definition_is_what_its_file_says() -> None:
    found = read(FULL, "full.yaml")
    make, put, clean = found.steps
    assert (found.interval, found.timeout, found.degraded_after, found.retries) == (300.0, 20.0, 15.0, Retries(2, 0.5))
    assert found.maintenance[0].duration == 3_600
    assert make.request == Request(
        "{{ base }}/x", "POST", {"x-a": "1"}, {"a": [1, True, None, "{{ mail }}"]}, has_json=True
    )
    assert make.assertions == (
        Assertion("status", "in", (201, "2xx")),
        Assertion("body", "contains", "x"),
        Assertion("json", "length", 4, "$.a", degraded=True),
        Assertion("header", "matches", "^a+$", "x-b"),
        Assertion("latency", "below", 2.0),
        Assertion("certificate_days", "above", 14),
    )
    assert make.extracts[3] == Extract("n2", "regex", "n=([0-9]+)")
    assert put.request.form == {"a": "1"} and put.request.follow is False
    assert clean.always and clean.request.body == "${secret:KEY}"
    assert (found.runs_at("fra"), found.runs_at("sin")) == (True, False)
    assert found.longest == 3 * (20 + 30) + 2 * 0.5


def test_a_browser_definition_is_what_its_file_says() -> None:
    moves = read(BROWSER, "page.yaml").moves
    assert moves[:3] == (
        Move("open", "goto", value="{{ base }}/"),
        Move("name", "fill", "#name", "5"),
        Move("kind", "select", "#kind", "{{ location }}"),
    )
    assert moves[5:10] == (
        Move("seen", "expect", ".done", None, "visible"),
        Move("text", "expect", "h1", "Thanks", "text"),
        Move("gone", "expect", ".wait", None, "hidden"),
        Move("there", "expect", None, "{{ base }}/done", "url"),
        Move("title", "expect", None, "Done", "title"),
    )
    assert moves[10].always


MINIMAL = """\
name: t
kind: journey
component: api
steps:
  - name: a
    request: {url: "{{ base }}/"}
"""


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("name: t", "name: T x", "1: name: 'T x'"),
        ("name: t", "nmae: t", "1: nmae: unknown key 'nmae'"),
        ("kind: journey", "kind: jurney", "2: kind: 'jurney'"),
        ("component: api", "component: api\ninterval: 5", "4: interval: '5' where a length of time belongs"),
        ("component: api", "component: api\ninterval: 1s", "4: interval: 1s is outside 5 to 604800 seconds"),
        ("component: api", "component: api\nconsecutive: 0", "4: consecutive: '0' where a whole number belongs"),
        ("component: api", "component: api\nallow: [10.0.0.0/33]", "4: allow[0]: '10.0.0.0/33' is no network"),
        ("component: api", "component: api\ntimeout: 2s\ndegraded_after: 3s", "5: degraded_after: 3s is longer than"),
        ("component: api", "component: api\nca: nothing", "4: ca: no certificates in PEM"),
        ("component: api", 'component: api\nvariables: {base: "x"}', "4: variables.base: base has a meaning already"),
        ("component: api", 'component: api\nvariables: {a: "{{ b }}", b: x}', "4: variables.a: {{ b }} stands for"),
        ("component: api", "component: api\nname: again", "4: name: name stands twice"),
        ("  - name: a", "  - name: a\n    request: {url: /}\n  - name: a", "7: steps[1].name: a stands"),
        ("/\"}", "/{{ basis }}\"}", '{{ basis }} stands for nothing here'),
        ("/\"}", "/{{ base \"}", "'{{' begins or ends no template"),
        ("/\"}", "/${secret:a b}\"}", "'a b' is no name of a secret"),
        ("/\"}", "/{{ steps.a.x }}\"}", "{{ steps.a.x }} stands for nothing here"),
        ("/\"}", '/", json: 1, body: x}', "6: steps[0].request: json and body together"),
        ("/\"}", '/", method: FETCH}', "6: steps[0].request.method: 'FETCH'"),
        ("/\"}", '/"}\n    assert: [{json: {path: "$.a[", equals: 1}}]', "no JSONPath (RFC 9535)"),
        ("/\"}", '/"}\n    assert: [{json: {path: "$[?match(@.a, \'x\')]", equals: 1}}]', "match() and search() may"),
        ("/\"}", '/"}\n    assert: [{body: {matches: "(?=a)"}}]', "no regular expression that RE2 knows"),
        ("/\"}", '/"}\n    assert: [{status: 99}]', "'99' where a whole number belongs"),
        ("/\"}", '/"}\n    assert: [{status: 200, body: {contains: x}}]', "status and body together"),
        ("/\"}", '/"}\n    extract: {x: {regex: "(a)(b)"}}', "more than one group"),
        ("/\"}", '/"}\n    timeout: 11s', "7: steps[0].timeout: 11s is longer than the timeout of an attempt, 10 s"),
    ],
)  # fmt: skip
def test_problems_name_line_key_and_what_is_wrong(line: str, instead: str, said: str) -> None:
    found = problems(MINIMAL.replace(line, instead))
    assert any(said in each for each in found), found


def test_problems_show_the_character_and_what_would_work() -> None:
    with pytest.raises(ConfigError) as error:
        read(MINIMAL.replace("base", "baes"), "t.yaml")
    assert str(error.value) == (
        't.yaml:6:21: steps[0].request.url: {{ baes }} stands for nothing here (did you mean "base"?)\n'
        '    request: {url: "{{ baes }}/"}\n'
        "                    ^"
    ).replace("    request", "        request").replace("                    ^", "                        ^")


@pytest.mark.parametrize("text", ["", "- a", "name: [", "x", "name: t\n---\nname: u", "a: &a [*a]"])
def test_what_is_no_definition_at_all_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^(\d+ problems:\n  )?t\.yaml"):
        read(text, "t.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        read_file(tmp_path / "nowhere.yaml")


JUNK: list[Any] = [None, True, 0, -3, 2.5, "", "x", "5s", "2xx", [], {}, ["x"], {"x": 1}, {"json": "$.a"}, 10**20]


def mutated(value: Any, chance: random.Random) -> Any:
    """The document with one thing in it changed, taken away, doubled or renamed."""
    document = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []

    def walk(at: Any) -> None:
        for key in at if isinstance(at, dict) else range(len(at)):
            places.append((at, key))
            if isinstance(at[key], (dict, list)):
                walk(at[key])

    walk(document)
    holder, key = chance.choice(places)
    what = chance.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif what == 2 and isinstance(holder, dict):
        other, name = chance.choice(places)
        holder[name if isinstance(name, str) else "name"] = copy.deepcopy(chance.choice(JUNK))
        del other
    else:
        holder[key] = copy.deepcopy(chance.choice(JUNK))
    return document


def test_the_reader_takes_nothing_that_the_schema_refuses_and_refuses_little_besides() -> None:
    """Hundreds of broken files: what the reader takes, the schema takes. What only the reader refuses is what a
    schema cannot say: ranges of lengths, names that stand for nothing, expressions that are none. They are written as
    JSON, which is YAML too."""
    chance, validator = random.Random(9), jsonschema.Draft202012Validator(form.schema())
    taken, only_reader = 0, list[str]()
    documents = [YAML(typ="safe").load(text) for text in (FULL, BROWSER, MINIMAL)]
    for _ in range(400):
        broken = mutated(chance.choice(documents), chance)
        valid = validator.is_valid(broken)
        try:
            read(json.dumps(broken), "t.yaml")
        except ConfigError as error:
            if valid:
                only_reader.append(str(error))
            continue
        taken += 1
        assert valid, (broken, [e.message for e in validator.iter_errors(broken)])
    beyond = (
        "outside", "stands for nothing", "no JSONPath", "no regular", "longer than", "stands twice", "time zone", "'x'",
        "no network", "no host", "PEM", "length of time", "no template", "has a meaning", "address", "part of a rule",
    )  # fmt: skip
    assert [each for each in only_reader if not any(word in each for word in beyond)] == []
    assert taken > 15 and len(only_reader) < 80


def test_maintenance_is_on_the_clock_of_its_zone() -> None:
    text = MINIMAL + "maintenance: [{start: '2026-03-01T02:00', duration: 1h, timezone: Mars/Base}]\n"
    assert problems(text) == ["7: maintenance[0].timezone: 'Mars/Base' is no time zone"]
    wrong = MINIMAL + "maintenance: [{start: '2026-03-01T02:00', duration: 1h, rrule: FREQ=SECONDLY}]\n"
    assert "too often" in problems(wrong)[0]
    assert dt.datetime.fromisoformat(read(FULL, "f").maintenance[0].start) == dt.datetime(2026, 3, 1, 2)
