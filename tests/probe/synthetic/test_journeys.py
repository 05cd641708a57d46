"""Journeys hand values on, clean up after themselves, are tried again, and never tell a secret."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from pitchey_slo.guard import Guard
from pitchey_slo.names import FAILURES
from pitchey_slo.probe.result import Result, rows_of
from pitchey_slo.probe.synthetic import Secrets, read, read_file
from pitchey_slo.probe.synthetic.definition import Assertion, Definition, Extract, Request, Retries, Step
from tests.probe.synthetic.platform_small import platform
from tests.probe.synthetic.servers import Seen, check, go, js, look, now, secrets, site

SHIPPED = sorted((Path(__file__).parents[3] / "config" / "synthetics").glob("*.yaml"))
JOURNEYS = [path for path in SHIPPED if read_file(path).kind != "browser"]


@pytest.mark.parametrize("path", JOURNEYS, ids=lambda p: p.stem)
def test_the_shipped_tests_pass_and_leave_nothing_behind(path: Path) -> None:
    with platform() as (pitchey, there):
        rows = go(read_file(path), there.url, guard=Guard())
    assert rows[0].state == "healthy", rows[0].reason
    assert rows[0].details.get("clean_up") is None
    assert pitchey.left == 0
    assert pitchey.count >= 1


@pytest.mark.parametrize("path", JOURNEYS, ids=lambda p: p.stem)
def test_whichever_request_fails_what_can_be_removed_is_removed(path: Path) -> None:
    definition = replace(read_file(path), retries=Retries(0))
    steps = definition.steps
    for fails in range(1, len(steps) + 1):
        with platform(fails) as (pitchey, there):
            rows = go(definition, there.url, guard=Guard())
        verdict, broken = rows[0], steps[fails - 1]
        if broken.always:
            assert verdict.state == "degraded" and broken.name in (verdict.reason or ""), verdict
            continue
        assert (verdict.state, verdict.failure, verdict.status) == ("unhealthy", "http_status", 500)
        assert verdict.step == (broken.name if definition.kind == "journey" else None)
        # an account whose log-in failed cannot be removed: nobody has a token for it
        assert pitchey.left <= ("login" in broken.name), (fails, broken.name, pitchey.users)


def test_values_are_kept_from_every_part_of_an_answer() -> None:
    page = js({"user": {"id": 7, "tags": ["a", "b"]}}, Location="/users/7")
    page[1]["Set-Cookie"] = "sid=abc; Path=/"

    def echo(asked: Seen) -> Any:
        return js({"path": asked.path, "cookie": asked.headers.get("cookie"), "got": asked.json})

    steps = (
        Step(
            "make", Request("{{ base }}/make", "POST"),
            extracts=(
                Extract("id", "json", "$.user.id"), Extract("tags", "json", "$.user.tags"),
                Extract("where", "header", "location"), Extract("sid", "cookie", "sid"),
                Extract("number", "regex", '"id": ([0-9]+)'),
            ),
        ),
        Step(
            "use",
            Request(
                "{{ base }}/{{ where }}/x", "POST",
                json={"id": "{{ steps.make.id }}", "tags": "{{ steps.make.tags }}", "text": "n {{ steps.make.number }}",
                      "sid": "{{ steps.make.sid }}", "where": "{{ steps.make.where }}", "n": 5, "none": None},
                has_json=True,
            ),
            (
                Assertion("json", "equals", {"id": 7, "tags": ["a", "b"], "text": "n 7", "sid": "abc",
                                             "where": "/users/7", "n": 5, "none": None}, "$.got"),
                Assertion("json", "equals", "sid=abc", "$.cookie"),
            ),
        ),
    )  # fmt: skip
    given = Definition("t", "journey", "api", steps, retries=Retries(0), variables={"where": "/echo"})
    with site({"POST /make": page, "POST /%2Fecho/x": echo}) as there:
        verdict = go(given, there.url)[0]
    assert verdict.state == "healthy", verdict.reason


@pytest.mark.parametrize(
    ("op", "value", "holds", "fails"),
    [
        ("equals", 5, 5, "5"),
        ("equals", "5", 5, 6),
        ("equals", True, True, 1),
        ("equals", None, None, 0),
        ("not_equals", 5, 6, 5),
        ("contains", "b", "abc", "xyz"),
        ("contains", "b", ["a", "b"], ["ab"]),
        ("not_contains", "b", "xyz", "abc"),
        ("matches", "^a.c$", "abc", "abcd"),
        ("above", 5, 5.5, 5),
        ("below", 5, "4", "four"),
        ("below", 5, 4, True),
        ("exists", True, "", None),
        ("length", 2, [1, 2], [1]),
        ("length", 2, "ab", 2),
    ],
)
def test_operators(op: str, value: object, holds: object, fails: object) -> None:
    wanted = (Assertion("json", op, value, "$.it"),)
    gone = {} if (op, value) == ("exists", True) else {"it": fails}
    with site({"GET /yes": js({"it": holds}), "GET /no": js(gone)}) as there:
        yes, no = (look(f"{{{{ base }}}}/{page}", there.url, assertions=wanted) for page in ("yes", "no"))
    assert yes.state == "healthy", yes.reason
    assert (no.failure, no.phase) == ("assertion", "transfer")
    assert "$.it" in (no.reason or "")


def test_headers_and_bodies_are_judged_and_a_weak_assertion_only_degrades() -> None:
    wanted = (
        Assertion("header", "contains", "json", "content-type"),
        Assertion("header", "exists", False, "x-powered-by"),
        Assertion("body", "contains", "pitch"),
        Assertion("body", "not_contains", "error"),
        Assertion("json", "above", 3, "$.n", degraded=True),
    )
    with site({"GET /a": js({"n": 4, "pitch": 1}), "GET /b": js({"n": 3, "pitch": 1}, **{"X-Powered-By": "x"}),
               "GET /c": js({"n": 3, "pitch": 1})}) as there:  # fmt: skip
        a, b, c = (look(f"{{{{ base }}}}/{page}", there.url, assertions=wanted) for page in "abc")
    assert (a.state, c.state) == ("healthy", "degraded")
    assert c.failure is None and c.reason == "$.n is not above 3; it is 3"
    assert (b.state, b.failure, b.phase) == ("unhealthy", "assertion", "first_byte")
    assert b.reason == "the header x-powered-by is there"


def flaky(*statuses: int) -> dict[str, Any]:
    left = list(statuses)
    return {"GET /": lambda asked: js({}, left.pop(0) if len(left) > 1 else left[0])}


def test_attempts_are_rows_of_their_own_and_the_verdict_counts_them() -> None:
    with site(flaky(503, 500, 200)) as there:
        rows = go(replace(check(), retries=Retries(3, 0.01)), there.url)
    verdict, *attempts = rows
    assert (verdict.scope, verdict.state, verdict.attempt, verdict.reason) == ("verdict", "healthy", 3, None)
    assert verdict.details["first_failure"]["reason"] == "status 503, not 2xx"
    assert [(a.scope, a.attempt, a.state, a.status) for a in attempts] == [
        ("attempt", 1, "unhealthy", 503), ("attempt", 2, "unhealthy", 500), ("attempt", 3, "healthy", 200),
    ]  # fmt: skip
    assert len({row.run_id for row in rows}) == 1 and len({row.event_id for row in rows}) == 4
    assert len({a.trace_id for a in attempts}) == 3 and verdict.trace_id == attempts[-1].trace_id


def test_a_failure_that_stays_is_told_once_with_its_attempts() -> None:
    with site(flaky(503)) as there:
        rows = go(replace(check(), retries=Retries(2, 0.01)), there.url)
        assert len(there.seen) == 3
    assert (rows[0].state, rows[0].attempt, rows[0].reason) == ("unhealthy", 3, "status 503, not 2xx (3 attempts)")


def test_a_first_attempt_that_passes_is_the_verdict_and_no_row_besides() -> None:
    with site(flaky(200)) as there:
        rows = go(replace(check(), retries=Retries(2, 0.01)), there.url)
    assert [(row.scope, row.attempt) for row in rows] == [("verdict", 1)]


def test_our_own_fault_is_not_tried_again() -> None:
    rows = go(replace(check("{{ nobody }}"), retries=Retries(5, 0.01)), "http://127.0.0.1:1")
    assert [(row.state, row.attempt) for row in rows] == [("unknown", 1)]


def test_steps_share_the_time_of_an_attempt_and_clean_up_has_its_own() -> None:
    def slow(asked: Seen) -> Any:
        time.sleep(0.4)
        return js({})

    steps = (
        Step("one", Request("{{ base }}/slow")),
        Step("two", Request("{{ base }}/slow")),
        Step("clean", Request("{{ base }}/slow", "DELETE"), always=True),
    )
    with site({"GET /slow": slow, "DELETE /slow": slow}) as there:
        rows = go(Definition("t", "journey", "api", steps, timeout=0.6, retries=Retries(0)), there.url)
    assert [(r.step, r.state) for r in rows[1:]] == [("one", "healthy"), ("two", "unhealthy"), ("clean", "healthy")]
    assert (rows[0].failure, rows[0].phase, rows[0].step) == ("timeout", "first_byte", "two")
    assert 600 <= (rows[0].duration_ms or 0) < 1_000, "clean-up is not the user's time"


def test_traces_are_sent_as_w3c_says_and_stored() -> None:
    steps = tuple(Step(f"s{i}", Request("{{ base }}/")) for i in range(2))
    with site({"GET /": js({})}) as there:
        rows = go(Definition("t", "journey", "api", steps, retries=Retries(0)), there.url)
        sent = [each.headers["traceparent"] for each in there.seen]
    parts = [re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", each) for each in sent]
    assert all(parts)
    assert {part[1] for part in parts if part} == {rows[0].trace_id}
    assert len({part[2] for part in parts if part}) == 2


def test_random_values_are_new_in_every_attempt_and_the_same_within_one() -> None:
    steps = (Step("a", Request("{{ base }}/{{ mail }}")), Step("b", Request("{{ base }}/{{ mail }}")))
    given = Definition("t", "journey", "api", steps, variables={"mail": "{{ random.email }}"}, retries=Retries(1, 0.01))
    with site({}) as there:
        go(
            replace(given, steps=(replace(steps[0], assertions=(Assertion("status", "in", (404,)),)), steps[1])),
            there.url,
        )
        first, second, third, fourth = (each.path for each in there.seen)
    assert first == second != third == fourth
    assert first.endswith("%40example.com")


SECRET = 'pa"ss wörd/+&=?%1234'


def leaks(rows: list[Result], *values: str) -> list[str]:
    """Forms of these values that stand anywhere in the rows."""
    text = repr(rows) + repr(rows_of(rows).to_pylist())
    forms = [
        f
        for v in values
        for f in (v, quote(v), quote_plus(v), quote(v, safe=""), base64.b64encode(v.encode()).decode())
    ]
    return [form for form in forms if form in text]


def test_secrets_are_sent_and_never_told() -> None:
    def tell(asked: Seen) -> Any:
        """A server that repeats what it was given, in every way it knows."""
        auth = asked.headers["authorization"]
        return js({"auth": auth, "path": asked.path, "token": auth.removeprefix("Basic ")}, 200, **{"X-Auth": auth})

    login = Request("{{ base }}/login/${secret:PASSWORD}?p=${secret:PASSWORD}", headers={
        "authorization": "Basic " + "${secret:BASIC}", "x-plain": "${secret:KEY}"})  # fmt: skip
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    wanted = (
        Assertion("json", "equals", "nothing", "$.auth"),
        Assertion("json", "equals", "${secret:PASSWORD}", "$.path"),
        Assertion("header", "equals", "nothing", "x-auth"),
    )
    given = Definition("t", "journey", "api", (Step("login", login, wanted),), retries=Retries(1, 0.01))
    with site({f"GET /login/{quote(SECRET, safe='')}": tell}) as there:
        rows = go(given, there.url, secrets=secrets(PASSWORD=SECRET, BASIC=basic, KEY="k3y-of-the-house"))
        assert there.seen[0].headers["authorization"] == f"Basic {basic}"
        assert there.seen[0].headers["x-plain"] == "k3y-of-the-house"
    assert rows[0].failure == "assertion"
    assert "Basic [authorization]" in (rows[0].reason or "") and "[secret PASSWORD]" in str(rows[0].details)
    assert leaks(rows, SECRET, basic, "k3y-of-the-house") == []


def test_tokens_that_a_server_gave_are_not_told_either() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.e30.abc"
    steps = (
        Step("login", Request("{{ base }}/"), extracts=(Extract("token", "json", "$.token"),)),
        Step("use", Request("{{ base }}/", headers={"authorization": "Bearer {{ steps.login.token }}"}),
             (Assertion("json", "equals", "x", "$.token"),)),
    )  # fmt: skip
    with site({"GET /": js({"token": token})}) as there:
        rows = go(Definition("t", "journey", "api", steps, retries=Retries(0)), there.url)
    assert "[login.token]" in (rows[0].reason or "")
    assert leaks(rows, token) == []


def test_secrets_lie_in_the_environment_under_their_prefix_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "API").write_text("from the file\n")
    found = Secrets({"PITCHEY_SECRET_DB": "from the environment", "PATH": "/bin"}, tmp_path)
    assert (found.get("API"), found.get("DB")) == ("from the file", "from the environment")
    for name in ("PATH", "NOBODY", "../API"):
        with pytest.raises(Exception, match="is not there: set PITCHEY_SECRET_"):
            found.get(name)
    assert "from" not in repr(found)


def test_what_an_answer_says_is_never_a_template() -> None:
    steps = (
        Step("a", Request("{{ base }}/"), extracts=(Extract("x", "json", "$.x"),)),
        Step("b", Request("{{ base }}/", "POST", body="{{ steps.a.x }}")),
    )
    with site({"GET /": js({"x": "${secret:API} {{ base }}"}), "POST /": js({})}) as there:
        go(Definition("t", "journey", "api", steps, retries=Retries(0)), there.url, secrets=secrets(API="hidden"))
        assert there.seen[1].body == b"${secret:API} {{ base }}"


def test_forms_and_texts_are_sent_as_what_they_are() -> None:
    with site({"POST /": js({})}) as there:
        look("{{ base }}/", there.url, method="POST", form={"a b": "{{ location }}&x"})
        look("{{ base }}/", there.url, method="POST", body="hello")
        look("{{ base }}/", there.url, method="POST")
        form, text, nothing = there.seen
    assert (form.headers["content-type"], form.body) == ("application/x-www-form-urlencoded", b"a+b=here%26x")
    assert (text.headers["content-type"], text.body) == ("text/plain; charset=utf-8", b"hello")
    assert nothing.headers["content-length"] == "0"


def test_redirects_are_followed_with_their_cookies_or_not_at_all() -> None:
    pages = {
        "POST /in": (303, {"Location": "/home", "Set-Cookie": "sid=9; Path=/; HttpOnly"}, b""),
        "GET /home": js({}),
    }
    with site(pages) as there:
        followed = look("{{ base }}/in", there.url, method="POST", body="x")
        stayed = look("{{ base }}/in", there.url, method="POST", body="x", follow=False)
        assert there.asked() == ["POST /in", "GET /home", "POST /in"]
        assert there.seen[1].headers["cookie"] == "sid=9"
        assert "content-type" not in there.seen[1].headers
    assert (followed.status, stayed.status) == (200, 303)
    assert followed.details["redirects"] == [f"{there.url}/in"] and followed.details["url"] == f"{there.url}/home"
    assert stayed.state == "healthy"


def test_whatever_a_definition_and_a_server_do_a_run_ends_with_words_of_the_closed_lists() -> None:
    texts = ["{{ base }}", "", "http://[", "{{ steps.a.b }}", "http://é\u0301.test/", "http://" + "a" * 300 + ".test/"]
    for text in texts:
        rows = go(check(text, timeout=1), "http://127.0.0.1:1", guard=Guard((), lambda h, p: []))
        assert rows[0].failure in FAILURES, text
        assert rows[0].at <= now()


def test_the_readers_definition_runs() -> None:
    text = """
name: search
kind: http
component: api
timeout: 2s
steps:
  - name: search
    request: {url: "{{ base }}/search?q={{ what }}", headers: {x-n: 5}}
    assert:
      - status: [200, 3xx]
      - json: {path: "$.hits[?@.id == 2].title", equals: Second}
      - {latency: {below: 1500ms}, otherwise: degraded}
variables: {what: "a b&c"}
"""
    with site({"GET /search": js({"hits": [{"id": 1, "title": "First"}, {"id": 2, "title": "Second"}]})}) as there:
        verdict = go(read(text, "search.yaml"), there.url)[0]
        assert there.seen[0].path == "/search?q=a%20b%26c"
        assert there.seen[0].headers["x-n"] == "5"
    assert verdict.state == "healthy", verdict.reason
