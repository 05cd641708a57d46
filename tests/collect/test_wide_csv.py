"""CSV files with a column per metric."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from pitchey_slo.collect.wide_csv import Wide, read_mapping, read_wide
from pitchey_slo.errors import CollectError, ConfigError

TEXT = (
    "Time,TimeStamp,Pod,Cpu(%),Latency(s)\n"
    "2022-08-22 03:51:19.607158889 +0000 UTC m=+0.113112869,1861140279,a-1,12.5,0.25\n"
    "2022-08-22 03:52:19.589 +0000 UTC,1661140339,a-1,NaN,0.5\n"
    "2022-08-22T05:53:19.001+02:00,3,b-2,99, \n"
    "1661140459,4,b-2,1e2,7.5\n"
)
PODS = Wide("Time", {"pod": "Pod"}, {"shop": "x"}, {"Cpu(%)": "cpu_percent", "Latency(s)": "latency"}, "shop_")


def samples(path: Path, mapping: Wide) -> dict[tuple[str, ...], list[tuple[int, float]]]:
    found: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    for part in read_wide(path, mapping):
        assert not part.problems, part.problems
        for i, ts, value in zip(part.batch.series, part.batch.ts, part.batch.value, strict=True):
            key = tuple(v for _, v in part.batch.labels[int(i)])
            found.setdefault(key, []).append((int(ts), float(value)))
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_columns_become_series_with_the_labels_of_their_rows(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "pods.csv"
    path.write_bytes(gzip.compress(TEXT.encode()) if packed else TEXT.encode())
    assert samples(path, PODS) == {
        ("shop_cpu_percent", "a-1", "x"): [(1661140279607, 12.5)],
        ("shop_latency", "a-1", "x"): [(1661140279607, 0.25), (1661140339589, 0.5)],
        ("shop_cpu_percent", "b-2", "x"): [(1661140399001, 99.0), (1661140459000, 100.0)],
        ("shop_latency", "b-2", "x"): [(1661140459000, 7.5)],
    }


def test_without_names_every_column_is_named_after_its_header(tmp_path: Path) -> None:
    path = tmp_path / "pods.csv"
    path.write_text(TEXT)
    found = samples(path, Wide("Time", {"pod": "Pod"}))
    assert {key[0] for key in found} == {"time_stamp", "cpu_percent", "latency_s"}


def test_headers_can_be_labels_of_one_metric(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("time,timestamp,a_b,a_c\n2022-08-22 03:51:20 +0000 UTC m=+0.5,9,0.5,\n")
    mapping = tmp_path / "calls.yml"
    mapping.write_text("time: time\nmetric: call_seconds\ncolumn: call\nwithout: [timestamp]\n")
    assert samples(path, read_mapping(mapping)) == {("call_seconds", "a_b"): [(1661140280000, 0.5)]}


def test_what_cannot_be_read_is_told_and_the_rest_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "pods.csv"
    path.write_text(TEXT + "tomorrow,1,a-1,1,1\n1661140500,1,a-1\n1661140500,1,a-1,much,2\n")
    (part,) = read_wide(path, PODS)
    assert [(p.line, p.reason) for p in part.problems] == [(7, "malformed_row"), (6, "bad_time"), (8, "bad_number")]
    assert "'much' in column 'Cpu(%)'" in part.problems[-1].message
    assert len(part.batch) == 7
    assert not any(math.isnan(v) for v in part.batch.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("labels: {pod: Pod}\n", "time is missing"),
        ("time: T\nmetric: x\n", "metric and column come together"),
        ("time: T\nmetrics: {a: 1-x}\n", "'1-x' \\(a\\) is no metric name"),
        ("time: T\nlabel: {a: b}\n", "label: unknown key"),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_mapping(path)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pods.csv"
    path.write_text(TEXT)
    with pytest.raises(CollectError, match="no column 'time'; did you mean \"Time\""):
        list(read_wide(path, Wide("time")))
    path.write_text("")
    with pytest.raises(CollectError, match="no header"):
        list(read_wide(path, Wide("time")))


def test_ingest_loads_such_files(tmp_path: Path) -> None:
    import json

    from typer.testing import CliRunner

    from pitchey_slo.cli import build

    path, mapping = tmp_path / "pods.csv", tmp_path / "pods.yml"
    path.write_text(TEXT + "never,1,a-1,1,1\n")
    mapping.write_text("time: Time\nlabels: {pod: Pod}\nmetrics: {Cpu(%): shop_cpu}\n")
    args = ["ingest", str(path), "--metrics", str(mapping), "--home", str(tmp_path / "home"), "--json"]
    told = json.loads(CliRunner().invoke(build(args), args, catch_exceptions=False).stdout)
    assert (told["stored"], told["rejected"]) == (3, 1)
    again = json.loads(CliRunner().invoke(build(args), args, catch_exceptions=False).stdout)
    assert (again["stored"], again["duplicates"]) == (0, 3)
