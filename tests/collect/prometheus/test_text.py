"""Prometheus text and OpenMetrics are read as their own parser reads them, and the second time fast."""

from __future__ import annotations

import contextlib
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pitchey_slo.collect.prometheus.text import TextParser, is_openmetrics, parse_text
from pitchey_slo.errors import CollectError, UnknownFormat
from pitchey_slo.series import Labels, Metadata, SampleBatch, labels_of

OM = "application/openmetrics-text; version=1.0.0"


def read(text: str, *, openmetrics: bool = False, now: int = 7) -> SampleBatch:
    return TextParser().parse(text.encode(), now=now, openmetrics=openmetrics).batch


def points(batch: SampleBatch) -> list[tuple[Labels, int, float]]:
    return [(batch.labels[s], int(t), float(v)) for s, t, v in zip(batch.series, batch.ts, batch.value, strict=True)]


def test_the_example_of_the_format_description() -> None:
    batch = read(
        """# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\\\DIR\\\\FILE.TXT",error="Cannot find file:\\n\\"FILE.TXT\\""} 1.458255915e9

metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
"""
    )
    assert points(batch) == [
        (labels_of({"__name__": "http_requests_total", "method": "post", "code": "200"}), 1395066363000, 1027),
        (labels_of({"__name__": "http_requests_total", "method": "post", "code": "400"}), 1395066363000, 3),
        (
            labels_of(
                {
                    "__name__": "msdos_file_access_time_seconds",
                    "path": "C:\\DIR\\FILE.TXT",
                    "error": 'Cannot find file:\n"FILE.TXT"',
                }
            ),
            7,
            1.458255915e9,
        ),
        ((("__name__", "metric_without_timestamp_and_labels"),), 7, 12.47),
        (labels_of({"__name__": "something_weird", "problem": "division by zero"}), -3982045, math.inf),
    ]
    assert batch.metadata == {
        "http_requests_total": Metadata("counter", "The total number of HTTP requests."),
    }


def test_openmetrics_times_are_seconds_and_exemplars_are_counted() -> None:
    text = """# TYPE foo_seconds counter
# UNIT foo_seconds seconds
# HELP foo_seconds Some \\"help\\"
foo_seconds_total{a="x # {y"} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67 1520879606.1
foo_seconds_created{a="x # {y"} 1520430000.123
# TYPE bar info
bar_info{version="1"} 1
# TYPE s stateset
s{s="on"} 1
# EOF
"""
    told = TextParser().parse(text.encode(), now=7, openmetrics=True)
    assert told.exemplars == 1
    assert told.timed.tolist() == [True, False, False, False]
    assert told.batch.ts.tolist() == [1520879607789, 7, 7, 7]
    assert told.batch.metadata["foo_seconds"] == Metadata("counter", 'Some "help"', "seconds")
    assert told.batch.metadata["bar"].type == "info"
    assert [dict(labels)["__name__"] for labels in told.batch.labels][:2] == [
        "foo_seconds_total",
        "foo_seconds_created",
    ]


def test_quoted_names_of_prometheus_3() -> None:
    batch = read('# TYPE "my.metric" gauge\n{"my.metric","a.b"="c",d="e",} 1\n{"x\\"y"} 2\n')
    assert batch.labels == [
        (("__name__", "my.metric"), ("a.b", "c"), ("d", "e")),
        (("__name__", 'x"y'),),
    ]
    assert batch.metadata["my.metric"].type == "gauge"


def test_blanks_and_tabs_of_prometheus_text_are_allowed_again_and_again() -> None:
    parser = TextParser()
    body = b'\tfoo { a = "b" , }  1\t5 \nfoo\t2\nbar  3\n\n#odd remark\nx{}4\n'
    first = parser.parse(body, now=1).batch
    again = parser.parse(body, now=1).batch
    assert points(first) == points(again)
    assert first.value.tolist() == [1, 2, 3, 4]
    assert first.ts.tolist() == [5, 1, 1, 1]


@pytest.mark.parametrize(
    ("line", "column", "word"),
    [
        ("foo 0x1p3", 5, "not a value"),
        ("foo 1_000", 5, "not a value"),
        ("foo ١", 5, "not a value"),
        ('foo{a="b" 1', 11, "expected , or }"),
        ('foo{a="b",a="c"} 1', 11, "stands twice"),
        ("foo", 4, "expected a value"),
        ("foo 1 1.5", 7, "whole milliseconds"),
        ("foo 1 2 3", 9, "nothing may follow"),
        ("foo 1 # {} 1", 7, "nothing may follow"),
        ("{} 1", 1, "no metric name"),
        ("1foo 1", 1, "metric name or {"),
        ("foo{a=b} 1", 6, 'expected ="..."'),
        ("foo{1a=\"b\"} 1", 5, "label name or }"),
        ('foo{"a"} 1', 8, 'expected ="..."'),
        ("foo-bar 1", 4, "expected a blank"),
        ("# TYPE foo cuonter", 12, "type 'cuonter'"),
        ("# EOF", 1, "only at the end"),
        ("foo 1 99999999999999999999", 7, "whole milliseconds"),
        ("foo\r 1", 4, "expected a blank"),
    ],
)  # fmt: skip
def test_errors_name_line_and_column(line: str, column: int, word: str) -> None:
    with pytest.raises(CollectError, match="line 2: ") as raised:
        read(f"good 1\n{line}\n")
    assert word in raised.value.message
    assert raised.value.detail == {"line": 2, "column": column}
    shown, caret = raised.value.message.splitlines()[1:3]
    assert shown.strip() and caret.index("^") == 4 + column - 1


@pytest.mark.parametrize(
    "text",
    [
        "foo 1\n",
        "",
        "foo 1\n\n# EOF\n",
        "foo 1\n# EOF\nbar 1\n",
        " foo 1\n# EOF\n",
        "foo 1 1e20\n# EOF\n",
    ],
)
def test_openmetrics_is_stricter(text: str) -> None:
    with pytest.raises(CollectError):
        read(text, openmetrics=True)


def test_a_bad_line_is_found_behind_lines_that_are_known() -> None:
    parser = TextParser()
    parser.parse(b"a 1\nb 2\n", now=1)
    for bad in (b"a 1\nb 2x\n", b"a 1\nb 0x2\n", b"a 1\nb \n", b"a 1\nb 1 1.5\n", b"a 1\nb 1 \n x"):
        with pytest.raises(CollectError, match=r"line [23]"):
            parser.parse(bad, now=1)


def test_bytes_that_are_not_utf8_are_named_by_line() -> None:
    with pytest.raises(CollectError, match="line 2: not UTF-8"):
        TextParser().parse(b'a 1\nb{x="\xff"} 1\n', now=1)


def test_content_types() -> None:
    assert is_openmetrics(OM)
    assert not is_openmetrics("text/plain; version=0.0.4; charset=utf-8")
    assert not is_openmetrics(None)
    with pytest.raises(UnknownFormat, match="text/html"):
        is_openmetrics("text/html")
    assert len(parse_text(b"a 1\n# EOF\n", now=1, content_type=OM)) == 1


def test_series_keep_their_number_until_pruned() -> None:
    parser = TextParser()
    parser.parse(b"a 1\nb 1\nc 1\n", now=1)
    told = parser.parse(b"c 5\na 6\n", now=2)
    assert told.ids.tolist() == [2, 0]
    assert points(told.batch) == [((("__name__", "c"),), 2, 5), ((("__name__", "a"),), 2, 6)]
    parser.prune(np.array([2, 0]))
    told = parser.parse(b"c 5\na 6\nb 7\n", now=3)
    assert told.ids.tolist() == [0, 1, 2]
    assert told.batch.labels == [(("__name__", "c"),), (("__name__", "a"),), (("__name__", "b"),)]


def test_series_may_be_renamed_and_dropped_and_two_texts_may_be_one_series() -> None:
    parser = TextParser(lambda labels: None if ("drop", "1") in labels else tuple(p for p in labels if p[0] != "x"))
    for _ in range(2):
        told = parser.parse(b'a{x="1"} 1\na{x="2"} 2\na{drop="1"} 3\n', now=1)
        assert (told.scraped, told.dropped) == (3, 1)
        assert points(told.batch) == [((("__name__", "a"),), 1, 1), ((("__name__", "a"),), 1, 2)]


NAMES = st.from_regex(r"\A[a-z_:][a-z0-9_:]{0,8}\Z").filter(lambda n: not n.endswith(("_total", "_created", "_info")))
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)
LABELS = st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_]{0,5}\Z"), VALUES, max_size=4)
NUMBERS = st.one_of(st.floats(allow_nan=False), st.integers(-(10**6), 10**6))


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


@given(st.lists(st.tuples(NAMES, LABELS, NUMBERS, st.none() | st.integers(0, 4 * 10**12)), max_size=8))
def test_agrees_with_the_python_client_first_and_again(
    rows: list[tuple[str, dict[str, str], float, int | None]],
) -> None:
    lines = []
    for name, labels, value, ts in rows:
        inner = ",".join(f'{k}="{escaped(v)}"' for k, v in labels.items())
        lines.append(f"{name}{{{inner}}} {value!r}" + (f" {ts}" if ts is not None else ""))
    text = "".join(f"{line}\n" for line in lines)
    expected = [
        (labels_of({"__name__": s.name, **s.labels}), 7 if s.timestamp is None else round(s.timestamp * 1000), s.value)
        for family in text_string_to_metric_families(text)
        for s in family.samples
    ]
    parser = TextParser()
    for _ in range(2):
        assert points(parser.parse(text.encode(), now=7).batch) == expected


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.booleans())
def test_nothing_but_collect_errors_escapes(body: bytes, openmetrics: bool) -> None:
    parser = TextParser()
    for _ in range(2):
        with contextlib.suppress(CollectError):
            parser.parse(body, now=1, openmetrics=openmetrics)


GOOD = b'# TYPE a counter\na{x="1",y="2"} 1\na{x="2"} NaN 5\nb 3.5e4\n{"c.d"} 1\n'


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
def test_a_known_text_never_changes_what_a_changed_line_means(place: int, put: bytes) -> None:
    body = GOOD[:place] + put + GOOD[place + 1 :]
    warm = TextParser()
    warm.parse(GOOD, now=1)
    try:
        cold_points = repr(points(TextParser().parse(body, now=1).batch))
    except CollectError:
        with pytest.raises(CollectError):
            warm.parse(body, now=1)
    else:
        assert repr(points(warm.parse(body, now=1).batch)) == cold_points


def test_ten_thousand_known_lines_take_far_less_than_a_tenth_of_a_second() -> None:
    body = "".join(f'm_{i % 100}{{instance="host{i}",job="node",code="200"}} {i}.5\n' for i in range(10_000)).encode()
    parser = TextParser()
    parser.parse(body, now=1)
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        assert len(parser.parse(body, now=2).batch) == 10_000
        best = min(best, time.process_time() - start)
    assert best < 0.1
