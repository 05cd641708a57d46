"""All scenes at once: many on one server, two on servers of their own, so that it takes as long as the longest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.alert.channels.mailbox import receiving

from .restarts import PLAYS
from .scenes import SCRIPTS, prepare
from .stage import Scene, Stage, staged

#: After the last scene nothing more may come for so long.
QUIET = 3.0


@dataclass
class Theatre:
    """What was played: scenes on the one stage, and plays that have a stage each."""

    stage: Stage
    scenes: dict[str, tuple[Scene, Future[None]]]
    plays: dict[str, Future[list[Scene]]]


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with ExitStack() as stack, ThreadPoolExecutor(len(SCRIPTS) + len(PLAYS)) as pool:
        stage, *others = [stack.enter_context(staged(tmp_path_factory.mktemp(n))) for n in ("scenes", *PLAYS)]
        stage.mailbox = stack.enter_context(receiving(stage.folder, tls="none"))
        plays = {n: pool.submit(play, other) for (n, play), other in zip(PLAYS.items(), others, strict=True)}
        prepare(stage)
        stage.start()
        scenes = {name: Scene(name, stage) for name in SCRIPTS}
        runs = {}
        for name, scene in scenes.items():
            runs[name] = scene, pool.submit(SCRIPTS[name].play, scene)
            time.sleep(0.1)  # one after the other, not all in the same instant
        for run in (*plays.values(), *(run for _, run in runs.values())):
            run.exception()
        time.sleep(QUIET)
        yield Theatre(stage, runs, plays)


@pytest.mark.parametrize("name", SCRIPTS)
def test_everybody_is_told_what_and_when_they_should(theatre: Theatre, name: str) -> None:
    scene, run = theatre.scenes[name]
    run.result()
    assert {e.where for e in scene.expected} >= set(SCRIPTS[name].hooks) - {"mail"}
    problems = scene.problems()
    assert not problems, "\n".join(problems)


def test_nobody_else_is_told_anything(theatre: Theatre) -> None:
    expected = {f"/{e.where}": len(e.wants) for scene, _ in theatre.scenes.values() for e in scene.expected}
    assert {r.path for r in theatre.stage.taken} <= expected.keys()
    assert len(theatre.stage.taken) == sum(n for where, n in expected.items() if where != "/mail")


@pytest.mark.parametrize("name", PLAYS)
def test_what_runs_goes_on_and_nothing_is_told_twice(theatre: Theatre, name: str) -> None:
    scenes = theatre.plays[name].result()
    problems = [p for scene in scenes for p in scene.problems()]
    assert not problems, "\n".join(problems)
    assert len(scenes[0].stage.taken) == sum(len(e.wants) for scene in scenes for e in scene.expected)
