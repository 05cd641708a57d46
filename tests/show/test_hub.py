"""One question for all who look at the same, everything first, then only what is new."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from pitchey_slo.errors import NotFound, PitcheyError
from pitchey_slo.show.api import Api
from pitchey_slo.show.hub import Hub, View
from pitchey_slo.show.orders import Orders
from pitchey_slo.show.page import MOST_UNHEARD, Link, Viewer
from pitchey_slo.show.process import App
from tests.web.conftest import Running, running

TEXT = """\
title: Small
role: viewer
refresh: 5s
rows:
  - title: ''
    widgets:
      - {id: rate, type: line, title: Rate, queries: [{expr: 'sum(pitchey_http_requests_total)'}]}
      - {id: words, type: markdown, title: Words, text: hello}
"""


class Eyes:
    """A viewer that remembers what it got."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    def take(self, message: bytes) -> None:
        self.got.append(orjson.loads(message))

    def kinds(self) -> list[str]:
        return [message["kind"] for message in self.got]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "config" / "dashboards").mkdir(parents=True)
    (folder / "config" / "dashboards" / "small.yml").write_text(TEXT)
    with running(folder / "home", config=folder / "config") as it:
        now = time.time()
        events = [{"ts": now - 20 - i, "route": "/a", "status": 200, "duration_ms": 5.0} for i in range(60)]
        with it.client(it.token("ingest")) as client:
            assert client.post("/api/monitoring/events", json=events).status_code == 200
        yield it


async def become(found: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_many_eyes_one_question(server: Running) -> None:
    async def main() -> None:
        hub = Hub(Api(server.url, server.info.token), hurry=5.0)
        eyes = [Eyes() for _ in range(30)]
        view = View.of({"board": "small", "span": "15m"})
        await asyncio.gather(*(hub.look(each, view) for each in eyes))
        assert list(hub.channels) == [view.key]
        channel = hub.channels[view.key]
        assert channel.asked == 1  # thirty looked at once
        assert all(each.kinds()[-1] == "all" for each in eyes)
        first = eyes[0].got[-1]
        assert first["layout"]["definition"]["title"] == "Small" and first["answer"]["widgets"]["rate"]["times"]
        await become(lambda: all(each.kinds().count("more") >= 2 for each in eyes))
        assert channel.asked <= 2 + max(each.kinds().count("more") for each in eyes)  # a question per tick, not per eye
        more = next(m for m in eyes[0].got if m["kind"] == "more")
        assert "words" not in more["answer"]["widgets"] and "words" in more["answer"]["same"]
        late = Eyes()  # who comes later has everything, and not what is older than what the others had
        await hub.look(late, view)
        known = max(m["answer"]["watermark"] for m in eyes[0].got if m["kind"] == "more")
        assert late.kinds()[-1] == "all" and late.got[-1]["answer"]["watermark"] >= known
        for each in [*eyes, late]:
            hub.leave(each)
        await become(lambda: not hub.channels)  # nobody looks: nothing is asked any more
        await hub.close()
        await hub.api.close()

    asyncio.run(main())


def test_an_edited_board_arrives_whole_and_an_unknown_one_is_told(server: Running) -> None:
    async def main() -> None:
        api = Api(server.url, server.info.token)
        hub = Hub(api, hurry=5.0)
        eyes = Eyes()
        await hub.look(eyes, View.of({"board": "small", "span": "1h"}))
        version = eyes.got[-1]["layout"]["version"]
        text = TEXT.replace("title: Small", "title: Edited\nname: small")
        body = {"definition": text, "comment": "title", "version": version}
        await api.ask("POST", "/api/monitoring/dashboards", body)
        await become(
            lambda: eyes.got[-1]["kind"] == "all" and eyes.got[-1]["layout"]["definition"]["title"] == "Edited"
        )
        other = Eyes()
        with pytest.raises(NotFound):
            await hub.look(other, View.of({"board": "../tokens", "span": "1h"}))
        with pytest.raises(PitcheyError, match="range"):
            await hub.look(other, View.of({"board": "small", "span": "tomorrow"}))
        hub.leave(eyes)
        await hub.close()
        await api.close()

    asyncio.run(main())


def test_a_server_that_is_away_is_told_once_a_tick() -> None:
    async def main() -> None:
        hub = Hub(Api("http://127.0.0.1:9", "pslo_a_b"))
        eyes = Eyes()
        with pytest.raises(PitcheyError, match="does not answer"):
            await hub.look(eyes, View.of({"board": "small"}))
        assert eyes.got == []
        await hub.close()
        await hub.api.close()

    asyncio.run(main())


def test_a_browser_that_does_not_answer_gets_no_more_until_it_does(server: Running) -> None:
    sent: list[bytes] = []

    class Wire(Link):
        """What would go to the browser."""

        def _send_msg(self, data: Any) -> None:
            sent.append(data["b"])

    async def main() -> None:
        orders = Orders(api=server.url, token=server.info.token, fd=0, url="http://127.0.0.1:1", anonymous="viewer")
        app = App(orders)
        await app.boards.renew()
        assert app.anonymous is not None
        viewer = Viewer(app, app.anonymous, Wire())
        viewer.hear({"do": "look", "board": "small", "span": "1h"})
        await become(lambda: any(message.startswith(b'{"kind":"all"') for message in sent))
        app.hub.leave(viewer)
        sent.clear()
        for _ in range(MOST_UNHEARD + 5):
            viewer.take(b'{"kind":"more"}')
        viewer.tell(kind="done")
        assert len(sent) == MOST_UNHEARD + 1  # answers still go through
        viewer.hear({"do": "had"})
        await become(lambda: sent[-1].startswith(b'{"kind":"all"'))  # everything, since it missed some
        await app.hub.close()
        await app.api.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "said",
    [{}, {"board": ""}, {"board": "a", "variables": [1]}, {"board": "a", "variables": {str(i): "" for i in range(30)}}],
)
def test_what_is_no_view_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        View.of(said)


def test_views_are_the_same_when_they_ask_the_same() -> None:
    one = View.of({"board": "a", "span": "1h", "variables": {"b": ["2"], "a": "1"}, "noise": 5})
    two = View.of({"board": "a", "span": "1h", "variables": {"a": ["1"], "b": "2"}})
    assert one.key == two.key and one.given == [("range", "1h"), ("var-a", "1"), ("var-b", "2")]
    assert one.tick == 5 and View.of({"board": "a", "span": "90d"}).tick == 60
    assert View.of({"board": "a", "span": "1h", "start": "x", "end": "y"}).given == [("start", "x"), ("end", "y")]
