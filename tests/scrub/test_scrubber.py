"""Trees, labels, log records, configuration, counts, and what happens when something goes wrong."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.errors import ConfigError
from pitchey_slo.scrub import MARK, Policy, Scrubber
from pitchey_slo.scrub.config import FILE, load, read
from pitchey_slo.scrub.counts import MOST_SOURCES, OTHERS
from pitchey_slo.scrub.schema import schema
from pitchey_slo.settings import shipped

KEY = b"k" * 32


def test_a_tree_is_scrubbed_by_names_and_values(scrub: Scrubber) -> None:
    when = datetime(2026, 3, 2, tzinfo=UTC)
    tree = {
        "user": {"password": "x", "firstName": "Ann", "note": "mail bob@example.com", "ids": [4012888888881881, 5]},
        "credentials": {"a": 1},
        "auth": {"ok": True, "ms": 1.5},
        "headers": [["Authorization", "Bearer abcdef"], ("Accept", "*/*")],
        "raw": b"card 4012 8888 8888 1881",
        "when": when,
        "none": None,
        "bob@example.com": 1,
        "password": None,
        "body": '{"token": "abcdef123456"}',
    }
    after = scrub.value(tree)
    text = json.dumps(after, default=str)
    for gone in ("bob", "Ann", "abcdef", "4012", '"x"'):
        assert gone not in text
    assert after["user"]["password"] == "[secret]"
    assert after["credentials"] == "[secret]"
    assert after["auth"] == {"ok": True, "ms": 1.5}
    assert after["headers"][1] == ("Accept", "*/*")
    assert after["raw"] == b"card [card]"
    assert (after["when"], after["none"], after["password"]) == (when, None, None)
    assert after["user"]["ids"] == ["[card]", 5]
    assert scrub.value(after) == after


def test_names_beside_their_values_count(scrub: Scrubber) -> None:
    otlp = [
        {"key": "user.email", "value": {"stringValue": "bob"}},
        {"key": "db.password", "value": {"stringValue": "hunter2"}},
        {"key": "http.route", "value": {"stringValue": "/a"}},
        {"name": "Cookie", "value": "a=b"},
        {"name": "password", "value": "x1", "note": "of bob@example.com"},
        {"email": {"bob@example.com": "work", "value": "bob"}},
    ]
    after = scrub.value(otlp)
    assert after[0]["value"]["stringValue"].startswith("person:")
    assert after[1]["value"] == after[3]["value"] == "[secret]"
    assert after[2] == otlp[2]
    assert "bob" not in json.dumps(after)
    assert scrub.value(after) == after


def test_labels_keep_series_apart_and_machines_their_addresses(scrub: Scrubber) -> None:
    labels = {
        "__name__": "x",
        "le": "0.5",
        "instance": "10.0.0.1:9090",
        "email": "bob",
        "user_id": "7",
        "client_ip": "8.8.8.8",
        "route": "/u/bob@x.com",
    }
    after = scrub.labels(labels)
    assert list(after) == list(labels)
    assert {n: after[n] for n in ("__name__", "le", "instance")} == {
        n: labels[n] for n in ("__name__", "le", "instance")
    }
    assert scrub.labels({"user_id": "8"})["user_id"] != after["user_id"].replace("7", "8")
    assert after["client_ip"] == scrub.text("8.8.8.8")
    assert "bob" not in after["route"] + after["email"]
    assert scrub.labels(after) == after
    assert scrub.labels({"host": "mail bob@x.com"})["host"].startswith("mail email:")


def test_where_says_the_name_of_the_field(scrub: Scrubber) -> None:
    assert scrub.text("hunter2", where="password") == "[secret]"
    assert scrub.text("plain", where="route") == "plain"


def test_a_rule_that_raises_gives_nothing_away() -> None:
    own = Scrubber(Policy(), KEY)

    def broken(text: str) -> list[Any]:
        raise RuntimeError(text)

    own._finds["email"] = broken
    assert own.text("bob@example.com", source="a") == MARK
    assert own.value({"a": ["bob@example.com"]}, source="a") == MARK
    assert own.labels({"a": "bob@example.com"}, source="a") == {"a": MARK}
    assert own.counts() == {("failed", "a"): 3}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        "password=" * 20_000,
        "1 " * 100_000,
        "@a." * 60_000,
        "\\" * 200_000 + '"',
        "%25" * 60_000 + "40",
        "://" * 60_000,
        "a:" * 90_000,
        "x" * 3_000_000,
        "&#" * 90_000,
        "\u200b" * 99_999,
    ],
    ids=lambda text: text[:8],
)
def test_no_text_takes_long(scrub: Scrubber, text: str) -> None:
    began = time.thread_time()
    after = scrub.text(text)
    assert time.thread_time() - began < 5
    assert len(after) <= 300_000


def test_what_is_too_deep_is_replaced(scrub: Scrubber) -> None:
    tree: Any = "bob@example.com"
    for _ in range(100):
        tree = [tree]
    assert scrub.value(tree) == MARK
    circle: list[Any] = []
    circle.append(circle)
    assert scrub.value(circle) == MARK


def test_json_deeper_in_texts_than_five_is_replaced(scrub: Scrubber) -> None:
    text = '{"password":"hunter2"}'
    for _ in range(9):
        text = json.dumps([text])
    assert "hunter2" not in scrub.text(text)


@given(
    st.text(max_size=80),
    st.sampled_from(["bob@example.com", "4012888888881881", "GB82WEST12345698765432", "8.8.4.4"]),
    st.text(max_size=80),
)
def test_a_value_between_blanks_is_found_whatever_stands_around(before: str, value: str, after: str) -> None:
    text = f"{before} {value} {after}"
    assert value not in ONE.text(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=12,
    )
)
def test_no_tree_raises(tree: Any) -> None:
    ONE.value(tree)
    assert ("failed", "") not in ONE.counts()


ONE = Scrubber.default(KEY)


def test_records_of_logging_are_scrubbed_with_arguments_and_exception() -> None:
    own, lines = Scrubber.default(), []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(logging.Formatter("%(message)s").format(record))  # type: ignore[method-assign]
    handler.addFilter(own.logging_filter())
    log = logging.getLogger("tests.scrub.filter")
    log.addHandler(handler)
    log.propagate = False
    log.warning("mail %s password=%s", "bob@example.com", "hunter2")
    try:
        raise ValueError("no account for bob@example.com")
    except ValueError:
        log.exception("failed")
    log.warning("%d items", "many bob@example.com")
    text = "\n".join(lines)
    assert "bob" not in text
    assert "hunter2" not in text
    assert "mail [email] password=[secret]" in text
    assert "ValueError: no account for [email]" in text
    assert own.counts()["email", "log"] == 4  # the traceback shows the line that raised


def test_counts_are_safe_and_bounded() -> None:
    own = Scrubber.default()
    threads = [
        threading.Thread(target=lambda: [own.text(f"a{i}@b.com", source="s") for i in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own.counts() == {("email", "s"): 2_000}
    for i in range(MOST_SOURCES + 50):
        own.text("a@b.com", source=str(i))
    assert len({source for _, source in own.counts()}) == MOST_SOURCES + 1
    assert own.counts()["email", OTHERS] == 51


def test_the_shipped_file_says_what_holds_without_it() -> None:
    assert load(shipped("config") / FILE) == Policy()


def test_the_schema_of_editors_is_that_of_the_reader() -> None:
    text = (shipped("config") / "schema" / "scrubbing.schema.json").read_text(encoding="utf-8")
    assert text == json.dumps(schema(), indent=2) + "\n"


def test_a_file_changes_what_it_says() -> None:
    policy = read(
        """
rules: {email: mask, ssn: "off"}
keys: {secret: [escrow_phrase], personal: [investorNo], keep: [pin]}
patterns: {member: {regex: 'PITCH-[0-9]{6}', action: hash}}
allow: {texts: ["*@pitchey.io"], fields: [raw_*]}
regions: [IE]
keep_networks: [10.0.0.0/8]
sources: {"file:*": {email: remove, member: "off"}}
"""
    )
    own = Scrubber(policy, KEY)
    assert own.text("a@b.com, ops@pitchey.io 10.1.2.3 078-05-1123") == "[email], ops@pitchey.io 10.1.2.3 078-05-1123"
    assert own.text("escrow-phrase=abc pin=1234") == "escrow-phrase=[secret] pin=1234"
    assert own.text("PITCH-123456").startswith("member:")
    assert own.text("a@b.com PITCH-123456", source="file:/x") == " PITCH-123456"
    assert own.value({"raw_body": "a@b.com", "INVESTOR_NO": 7, "x": "a@b.com"})["raw_body"] == "a@b.com"
    assert own.value({"INVESTOR_NO": 7})["INVESTOR_NO"].startswith("person:")
    assert own.text("(415) 555-0132") == "(415) 555-0132"
    assert own.text("087 123 4567") != "087 123 4567"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: {emial: mask}", "unknown key 'emial' (did you mean \"email\"?)"),
        ("rules:\n  email: msak", "s.yml:2:10: rules.email: 'msak' is no action (did you mean \"mask\"?)"),
        ("patterns: {x: {regex: '(a'}}", "no pattern of RE2"),
        ("patterns: {x: {regex: 'a(?=b)'}}", "no pattern of RE2"),
        ("patterns: {x: {regex: 'a*'}}", "matches the empty text"),
        ("patterns: {email: {regex: a}}", "cannot be the name of a pattern"),
        ("patterns: {x: {action: mask}}", "regex is missing"),
        ("regions: [IRL]", "no region 'IRL'"),
        ("keep_networks: [10.0.0.1/8]", "is no network"),
        ("keys: {secret: x}", "where a list"),
        ("allow: {texts: ['']}", "nothing in it"),
        ("sources: {a: {mail: mask}}", "unknown key 'mail'"),
        ("[]", "where a map belongs"),
    ],
)
def test_a_wrong_file_is_shown_with_line_and_caret(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "s.yml")
    assert says in str(caught.value)
    assert "^" in str(caught.value)


def test_a_pattern_that_would_backtrack_for_ever_does_not() -> None:
    own = Scrubber(read("patterns: {slow: {regex: '(a+)+b'}}"), KEY)
    began = time.thread_time()
    assert own.text("a" * 50_000) == "a" * 50_000
    assert time.thread_time() - began < 2


def test_importing_is_light(tmp_path: Path) -> None:
    code = (
        "import sys; from pitchey_slo.scrub import Scrubber; Scrubber.default().text('a@b.com'); "
        "print([m for m in ('pyarrow', 'pandas', 'numpy', 'ruamel', 'pydantic', 'phonenumbers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
