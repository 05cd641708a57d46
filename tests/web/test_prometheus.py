"""Prometheus' HTTP API, answer by answer: the texts are what Prometheus 3 sends for the same request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from pitchey_slo.web.queries import QueryLimits

from .conftest import Running, running
from .series_made import METRICS, S0, T0, batch, history, load


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as it, it.client(it.token("ingest")) as sender:
        load(sender, history())
        yield it


@pytest.fixture(scope="module")
def ask(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("read")) as client:
        yield client


def told(client: httpx.Client, path: str, **params: Any) -> Any:
    params = {key.replace("match", "match[]"): value for key, value in params.items()}
    answer = client.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["status"] == "success"
    return found["data"]


def refused(client: httpx.Client, status: int, kind: str, path: str, **params: Any) -> str:
    answer = client.get(f"/api/v1/{path}", params=params)
    found = answer.json()
    assert (answer.status_code, found["status"], found["errorType"]) == (status, "error", kind), answer.text
    assert set(found) == {"status", "errorType", "error"}
    return found["error"]


def test_the_bytes_of_a_vector(ask: httpx.Client) -> None:
    answer = ask.get("/api/v1/query", params={"query": "queue", "time": f"{S0 + 15}.5"})
    assert answer.text == (
        '{"status":"success","data":{"resultType":"vector","result":['
        '{"metric":{"__name__":"queue","job":"api"},"value":[1767607215.500,"0.3333333333333333"]}]}}'
    )


def test_the_bytes_of_a_matrix(ask: httpx.Client) -> None:
    params = {"query": "up * 1e21", "start": S0, "end": S0 + 30, "step": "15s"}
    assert ask.get("/api/v1/query_range", params=params).text == (
        '{"status":"success","data":{"resultType":"matrix","result":['
        '{"metric":{"job":"api"},"values":[[1767607200,"1e+21"],[1767607215,"1e+21"],[1767607230,"1e+21"]]}]}}'
    )


def test_the_bytes_of_a_scalar_and_a_string(ask: httpx.Client) -> None:
    params = {"query": "1+1", "time": 4}  # Grafana's test of a data source
    assert ask.get("/api/v1/query", params=params).text == (
        '{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}'
    )
    params = {"query": '"a\\"b"', "time": 4}
    assert ask.get("/api/v1/query", params=params).json()["data"] == {"resultType": "string", "result": [4, 'a"b']}
    assert told(ask, "query", query="1/0", time=4)["result"] == [4, "+Inf"]
    assert told(ask, "query", query="-1/0", time=4)["result"] == [4, "-Inf"]
    assert told(ask, "query", query="0/0", time=4)["result"] == [4, "NaN"]


def test_a_range_of_samples_is_a_matrix_of_raw_samples(ask: httpx.Client) -> None:
    found = told(ask, "query", query='http_requests_total{route="/b"}[31s]', time=S0 + 31)
    assert found["resultType"] == "matrix"
    assert found["result"][0]["values"] == [[S0 + 15, "5"], [S0 + 30, "10"]]


def test_rates_are_right(ask: httpx.Client) -> None:
    found = told(ask, "query", query="sum by (route) (rate(http_requests_total[5m]))", time=S0 + 3000)
    values = {each["metric"]["route"]: float(each["value"][1]) for each in found["result"]}
    assert values == pytest.approx({"/a": 10 / 15, "/b": 5 / 15})


def test_form_bodies_are_read_and_come_before_the_address(ask: httpx.Client) -> None:
    for path, params in (
        ("query", {"query": "up", "time": str(S0)}),
        ("query_range", {"query": "up", "start": str(S0), "end": str(S0 + 60), "step": "15"}),
        ("series", {"match[]": ["up", "queue"], "start": str(S0), "end": str(S0 + 60)}),
        ("labels", {"match[]": ["up"]}),
        ("query_exemplars", {"query": "up"}),
    ):
        by_get = ask.get(f"/api/v1/{path}", params=params)
        by_post = ask.post(f"/api/v1/{path}", data=params)
        both = ask.post(f"/api/v1/{path}?query=queue&time=1", data=params)
        assert by_get.status_code == by_post.status_code == 200, by_post.text
        assert by_get.json() == by_post.json()
        if path == "query":
            assert both.json() == by_get.json()


def test_times_and_durations_in_every_form(ask: httpx.Client) -> None:
    want = told(ask, "query", query="up", time=S0)
    assert told(ask, "query", query="up", time="2026-01-05T10:00:00Z") == want
    assert told(ask, "query", query="up", time="2026-01-05T12:00:00.000+02:00") == want
    want = told(ask, "query_range", query="up", start=S0, end=S0 + 600, step=90)
    assert told(ask, "query_range", query="up", start="2026-01-05T10:00:00Z", end=S0 + 600, step="1m30s") == want
    assert len(want["result"][0]["values"]) == 7


def test_without_a_time_it_is_now(ask: httpx.Client) -> None:
    before = time.time()
    at, value = told(ask, "query", query="time()")["result"]
    assert before - 1 <= at <= time.time() + 1
    assert float(value) == pytest.approx(at)


def test_bad_parameters_are_told_as_prometheus_tells_them(ask: httpx.Client) -> None:
    def bad(path: str, **params: Any) -> str:
        return refused(ask, 400, "bad_data", path, **params)

    span = {"start": S0, "end": S0 + 60}
    assert bad("query", query="up", time="noon") == (
        'invalid parameter "time": cannot parse "noon" to a valid timestamp'
    )
    assert bad("query_range", query="up", end=S0, step=15) == (
        'invalid parameter "start": cannot parse "" to a valid timestamp'
    )
    assert bad("query_range", query="up", start=S0, end=S0 - 1, step=15) == (
        'invalid parameter "end": end timestamp must not be before start time'
    )
    assert bad("query_range", query="up", **span) == 'invalid parameter "step": cannot parse "" to a valid duration'
    for step in ("0", "-1"):
        assert bad("query_range", query="up", step=step, **span) == (
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    assert bad("query_range", query="up", start=0, end=11_001, step=1) == (
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
    )
    assert bad("query_range", query="up[5m]", step=15, **span) == (
        'invalid parameter "query": invalid expression type "range vector" for range query, '
        "must be Scalar or instant Vector"
    )
    assert bad("query", query="up{").startswith('invalid parameter "query": ')
    assert bad("query").startswith('invalid parameter "query": ')
    assert "limit must be non-negative" in bad("query", query="up", limit=-1)
    assert bad("query", query="up", timeout="soon") == (
        'invalid parameter "timeout": cannot parse "soon" to a valid duration'
    )
    assert bad("query", query="up", lookback_delta="x").startswith("error parsing lookback delta duration")
    assert bad("series") == "no match[] parameter provided"
    assert bad("metadata", limit="few") == "limit must be a number"
    assert "at least one non-empty matcher" in bad("series", **{"match[]": '{job=~".*"}'})
    assert bad("labels", **{"match[]": "rate(x[5m])"}).startswith('invalid parameter "match[]": ')


def test_11000_points_are_allowed(ask: httpx.Client) -> None:
    found = told(ask, "query_range", query="vector(1)", start=0, end=11_000, step=1)
    assert len(found["result"][0]["values"]) == 11_001  # as in Prometheus: both ends count


def test_what_cannot_be_evaluated_is_422(ask: httpx.Client) -> None:
    message = refused(ask, 422, "execution", "query", query="up + on(job) http_requests_total", time=S0)
    assert "many-to-many" in message or "multiple matches" in message


def test_lookback_can_be_given(ask: httpx.Client) -> None:
    late = S0 + 239 * 15 + 60
    assert told(ask, "query", query="up", time=late)["result"]
    assert not told(ask, "query", query="up", time=late, lookback_delta="30s")["result"]


def test_a_limit_cuts_and_says_so(ask: httpx.Client) -> None:
    for path, params in (
        ("query", {"query": "http_requests_total", "time": S0}),
        ("query_range", {"query": "http_requests_total", "start": S0, "end": S0, "step": 1}),
        ("series", {"match[]": "http_requests_total"}),
        ("labels", {}),
        ("label/__name__/values", {}),
    ):
        whole = ask.get(f"/api/v1/{path}", params=params).json()
        some = ask.get(f"/api/v1/{path}", params={**params, "limit": 1}).json()
        items = some["data"]["result"] if "query" in path else some["data"]
        assert len(items) == 1
        assert some["warnings"] == ["results truncated due to limit"]
        assert "warnings" not in whole


def test_series_labels_and_values(ask: httpx.Client) -> None:
    assert told(ask, "labels", match='{job="api",route=~".+"}') == ["__name__", "job", "route"]
    assert told(ask, "label/route/values") == ["/a", "/b"]
    assert told(ask, "label/route/values", match='http_requests_total{route!="/a"}') == ["/b"]
    names = told(ask, "label/__name__/values")
    assert [n for n in names if not n.startswith("pitchey_")] == ["http_requests_total", "queue", "up"]
    assert told(ask, "label/nothing/values") == []
    both = ask.get("/api/v1/series", params=[("match[]", "up"), ("match[]", 'http_requests_total{route="/b"}')])
    assert both.json()["data"] == [
        {"__name__": "http_requests_total", "job": "api", "route": "/b"},
        {"__name__": "up", "job": "api"},
    ]
    # nothing lies in that time
    assert told(ask, "series", match="up", start=S0 - 7200, end=S0 - 3600) == []
    assert told(ask, "label/U__route/values") == ["/a", "/b"]


def test_what_grafana_asks_of_a_new_data_source(ask: httpx.Client) -> None:
    build = told(ask, "status/buildinfo")
    assert build["version"].startswith("3.") and set(build) >= {"revision", "branch", "goVersion"}
    assert told(ask, "metadata", limit_per_metric=1) is not None
    assert told(ask, "rules", type="record") == {"groups": []}
    assert told(ask, "alerts") == {"alerts": []}
    assert told(ask, "query_exemplars", query="up", start=S0, end=S0 + 1) == []
    with httpx.Client(base_url=str(ask.base_url), trust_env=False) as anyone:
        assert anyone.get("/-/healthy").text == "Prometheus Server is Healthy.\n"


def test_infos_come_beside_the_data(ask: httpx.Client) -> None:
    found = ask.get("/api/v1/query", params={"query": "rate(queue[5m])", "time": S0 + 600}).json()
    assert found["infos"] and "queue" in found["infos"][0]


def test_a_query_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = QueryLimits(samples=500, cells=1000, answer=100, seconds=5)
    monkeypatch.setattr("pitchey_slo.web.app.QueryLimits", lambda: small)
    with running(tmp_path) as server, server.client(server.info.token) as client:
        load(client, history())
        assert "samples" in refused(client, 422, "execution", "query", query='{job="api"}[1h]', time=S0 + 3600)
        params = {"query": "http_requests_total", "start": S0, "end": S0 + 300, "step": "0.5"}
        assert "series" in refused(client, 422, "execution", "query_range", **params)
        assert "aggregate" in refused(client, 422, "execution", "query", query="up[1h]", time=S0 + 3600)
        deep = "max_over_time(vector(1)[1h:1s])"
        assert "steps" in refused(client, 422, "execution", "query", query=deep, time=S0)


def test_a_query_out_of_time_is_503(ask: httpx.Client) -> None:
    message = refused(ask, 503, "timeout", "query", query="up", timeout="0", time=S0)
    assert message.startswith("query timed out")


def test_times_no_calendar_knows_do_no_harm(ask: httpx.Client) -> None:
    for at in ("-62135596801", "253402300800", "8999999999999", "-8999999999999"):
        assert told(ask, "query", query="up", time=at)["result"] == []
        assert told(ask, "series", match="up", start=-8e12, end=8e12)
    for at in ("1e300", "NaN", "Inf", "-Inf", "9e99999"):
        refused(ask, 400, "bad_data", "query", query="up", time=at)


def test_odd_requests_are_told_and_never_500(ask: httpx.Client) -> None:
    for path, body, status in (
        ("query", b"query=%ff%fe", (400,)),
        ("query", b"query=up&" * 2000, (400,)),
        ("query", b"query=" + b"(" * 5000 + b"1" + b")" * 5000, (200, 400, 422)),
        ("query", b"query=" + b"1+" * 4000 + b"1", (200, 400, 422)),
        ("query", b"x" * (1 << 21), (413,)),
        ("query", b"query=up{job=~%22(a%2B)%2B%24%22}", (200,)),
        ("query", b"query=up{job=~%22((((%22}", (400, 422)),
        ("labels", b"match[]=%00", (400,)),
    ):
        answer = ask.post(
            f"/api/v1/{path}", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code in status, (path, body[:40], answer.status_code, answer.text[:300])
        orjson.loads(answer.content)


def test_queries_do_not_delay_deliveries(server: Running) -> None:
    """While heavy queries keep both query threads busy, a delivery is stored about as fast as before."""
    expr = "sum_over_time(rate(http_requests_total[5m])[1h:1s])"
    params = {"query": expr, "start": S0 + 3000, "end": S0 + 3600, "step": 1}
    with server.client(server.token("read")) as reader, server.client(server.token("ingest")) as sender:

        def heavy() -> int:
            return reader.get("/api/v1/query_range", params=params).status_code

        with ThreadPoolExecutor(3) as pool:
            running_queries = [pool.submit(heavy) for _ in range(3)]
            waits = []
            for i in range(20):
                begun = time.perf_counter()
                body = {"metrics": [{"name": "tick", "type": "gauge", "value": i, "timestamp": T0 + i}]}
                assert sender.post(METRICS, json=body).status_code == 200
                waits.append(time.perf_counter() - begun)
            assert {each.result(60) for each in running_queries} <= {200, 422}
    assert sorted(waits)[10] < 1.0


def test_a_long_query_does_not_delay_the_stop(tmp_path: Path) -> None:
    expr = "+".join(["sum_over_time(rate(http_requests_total[5m])[1h:1s])"] * 200)
    with running(tmp_path) as server:
        with server.client(server.info.token) as client:
            load(client, history())

        def ask() -> int:
            params = {"query": expr, "start": S0, "end": S0 + 3600, "step": 1}
            with server.client(server.info.token) as client:
                return client.get("/api/v1/query_range", params=params).status_code

        pool = ThreadPoolExecutor(1)
        answer = pool.submit(ask)
        time.sleep(0.5)
        assert not answer.done()
        begun = time.monotonic()
    assert time.monotonic() - begun < 20
    pool.shutdown(cancel_futures=True)


def test_the_store_may_be_opening(tmp_path: Path) -> None:
    import asyncio

    from pitchey_slo.settings import Settings
    from pitchey_slo.web import create_app

    app = create_app(None, Settings.load(env_file=None, home=tmp_path))
    text = app.state.house.guard.make_local()

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/api/v1/query?query=up", headers={"Authorization": f"Bearer {text}"})

    answer = asyncio.run(ask())
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["errorType"] == "unavailable"


def test_labels_of_any_text(server: Running, ask: httpx.Client) -> None:
    odd = {"__name__": "my.metric", "a b": 'quote " back \\ line \n', "ünï": "日本"}
    with server.client(server.token("ingest")) as sender:
        load(sender, batch((odd, [T0], [1.5])))
    found = told(ask, "query", query='{"my.metric"}', time=S0)["result"]
    assert found == [{"metric": odd, "value": [S0, "1.5"]}]
    assert told(ask, "label/U__a_20_b/values") == [odd["a b"]]
