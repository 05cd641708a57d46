"""`wb.detect`: a PromQL expression or a frame's column, scored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import pitchey_slo as ps
from pitchey_slo.analyse.anomaly import score
from pitchey_slo.errors import AnomalyError, QueryError
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.testing import NOON, fresh_store, rows

MINUTE = 60_000
COUNT = 1_440


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ps.Workbench]:
    home = tmp_path_factory.mktemp("detect")
    rng = np.random.default_rng(4)
    values = rng.normal(100, 2, COUNT)
    values[-100:] += 60
    first = round((NOON - timedelta(minutes=COUNT - 1)).timestamp() * 1000)
    with fresh_store(home) as store:
        for host in ("a", "b"):
            labels = labels_of({"__name__": "load", "host": host})
            at = first + MINUTE * np.arange(COUNT)
            store.samples(SampleBatch([labels], np.zeros(COUNT, np.int64), at, values), backfill=True).result(10)
        store.append("deployments", rows("deployments", 1, start=NOON - timedelta(minutes=100), version="v9"))
    yield ps.connect(home)


def test_an_expression_is_scored_and_the_deployment_before_a_shift_named(wb: ps.Workbench) -> None:
    found = wb.detect('load{host="a"}', "mad", NOON - timedelta(minutes=COUNT - 1), NOON)
    assert list(found.columns) == ["value", "score", "reason"]
    assert len(found) == COUNT
    assert found["score"].iloc[-100] > 0.999
    assert "after deployment v9" in found["reason"].iloc[-100]
    alone = score(found.index.tz_localize(None).to_numpy(), found["value"].to_numpy(), "mad").scores
    np.testing.assert_allclose(found["score"], alone)


def test_a_column_of_a_frame_is_scored_too(wb: ps.Workbench) -> None:
    frame = wb.promql('load{host="a"}', NOON - timedelta(hours=20), NOON, "1m")
    found = wb.detect(frame.iloc[:, 0], "ewma")
    assert found.index.equals(frame.index)


def test_two_series_are_refused_with_what_would_work(wb: ps.Workbench) -> None:
    with pytest.raises(QueryError, match=r"load has 2 series .* as in sum\(load\)"):
        wb.detect("load", "mad", NOON - timedelta(hours=1), NOON)
    with pytest.raises(QueryError, match="0 series, one is needed; nothing matches"):
        wb.detect("laod", "mad", NOON - timedelta(hours=1), NOON)


def test_what_is_mistyped_is_told(wb: ps.Workbench) -> None:
    with pytest.raises(AnomalyError, match="mad"):
        wb.detect('load{host="a"}', "mda", NOON - timedelta(hours=1), NOON)
    with pytest.raises(QueryError, match="DatetimeIndex"):
        wb.detect(pd.Series([1.0, 2.0]))
