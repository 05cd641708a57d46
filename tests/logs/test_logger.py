"""Lines of structlog and of the standard library, through the chain, to receivers and to a real workbench."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import logging.config
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from pitchey_slo import add_monitoring, logs
from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import Pace, current, work
from pitchey_slo.logs import fingerprint
from pitchey_slo.logs.given import ENVIRONMENT
from pitchey_slo.logs.logger import Into
from tests.instrument.apps import CARD, MAIL, fastapi_app
from tests.instrument.conftest import rows_of, serving
from tests.instrument.receivers import receiving, stored
from tests.web.conftest import Running, running

KEY = "5f" * 32
QUICK = Pace(age=0.02, first=0.02, most=0.05, patience=10)


class Kept:
    """A destination that keeps what it is given."""

    name = "kept"

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.raw = b""

    def write(self, line: bytes, row: Any) -> None:
        self.raw += line
        self.lines.append(orjson.loads(line))

    def flush(self, seconds: float) -> bool:
        return True

    def close(self, seconds: float | None) -> Any:
        return None

    def stats(self) -> Any:
        return None


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is one per process: leave it as it was found."""
    root = logging.getLogger()
    level = root.level
    yield
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, Into)]
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()
    logging.getLogger("uvicorn").handlers.clear()


@pytest.fixture
def kept() -> Kept:
    return Kept()


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_structlog_and_the_standard_library_come_out_the_same(kept: Kept) -> None:
    logs.configure(service="shop", destinations=[kept], level="debug", location="FRA")
    logs.get_logger("pay").warning("charged %s", "twice", order=7, status=200, duration_ms=3)
    logging.getLogger("pay").warning("charged %s", "twice", extra={"order": 7, "status": 200, "duration_ms": 3})
    one, other = kept.lines
    assert without(one, "ts", "event_id") == without(other, "ts", "event_id") == {
        "level": "warning", "service": "shop", "message": "charged twice", "logger": "pay", "location": "FRA",
        "status": 200, "duration_ms": 3.0, "attributes": {"order": 7}, "source": "shop",
    }  # fmt: skip
    assert one["ts"] <= other["ts"]
    assert one["event_id"] != other["event_id"]


def test_levels_are_kept_for_both(kept: Kept) -> None:
    logs.configure(service="shop", destinations=[kept], level="warning")
    for log in (logs.get_logger("a"), logging.getLogger("a")):
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(log, level)(level)
    logging.getLogger("a").log(25, "between")
    assert [row["level"] for row in kept.lines] == ["warning", "error", "critical"] * 2


def test_exceptions_are_data_and_have_one_fingerprint(kept: Kept) -> None:
    logs.configure(service="shop", destinations=[kept])

    def charge(card: str) -> None:
        raise ValueError(f"no card {card}")

    for log in (logs.get_logger("pay"), logging.getLogger("pay")):
        for number in (CARD, "5500 0000 0000 0004"):
            try:
                charge(number)
            except ValueError:
                log.exception("failed")
    assert len({row["fingerprint"] for row in kept.lines}) == 1, "the same error, whatever card and logger"
    for row in kept.lines:
        assert (row["message"], row["level"], row["error_type"]) == ("failed", "error", "ValueError")
        error = row["attributes"]["error"]
        assert error["message"] == "no card [card]"
        assert error["stack"][-1].endswith(" charge")
    logs.get_logger("pay").error("told", exc_info=KeyError("k"))
    logs.get_logger("pay").error("none", exc_info=True)
    assert kept.lines[-2]["error_type"] == "KeyError"
    assert "error" not in kept.lines[-1].get("attributes", {})


def test_the_work_at_hand_is_in_every_line(kept: Kept) -> None:
    logs.configure(service="shop", destinations=[kept], user_key=KEY)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    async def job(n: int) -> str:
        with work(f"job-{n}", traceparent=parent if n == 0 else None, request_id=f"r{n}") as piece:
            logs.bind(tenant=n)
            await asyncio.sleep(0.01)
            logging.getLogger("lib").info("inside %d", n)
            await asyncio.to_thread(logs.get_logger("x").info, f"thread {n}")
            return piece.trace_id

    async def main() -> list[str]:
        return await asyncio.gather(*(job(n) for n in range(3)))

    traces = asyncio.run(main())
    assert traces[0] == parent[3:35]
    found = {row["message"]: row for row in kept.lines}
    for n in range(3):
        for message in (f"inside {n}", f"thread {n}"):
            row = found[message]
            assert (row["trace_id"], row["route"]) == (traces[n], f"job-{n}")
            assert row["attributes"] == {"request_id": f"r{n}", "tenant": n}
    logs.get_logger("x").info("outside", user=42)
    assert "trace_id" not in kept.lines[-1]
    assert len(kept.lines[-1]["user_hash"]) == 32
    logs.configure(service="shop", destinations=[kept])
    logs.get_logger("x").info("no key", user=42)
    assert "user" not in str(without(kept.lines[-1], "service"))


def test_opentelemetrys_span_wins(kept: Kept) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    logs.configure(service="shop", destinations=[kept])
    with work("w"), TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        logs.get_logger("x").info("in it")
    assert kept.lines[0]["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_servers_loggers_are_adopted_and_other_tools_handlers_stay(kept: Kept) -> None:
    logging.config.dictConfig(  # as uvicorn configures itself
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"default": {"format": "%(levelname)s %(message)s"}},
            "handlers": {"default": {"class": "logging.StreamHandler", "formatter": "default"}},
            "loggers": {
                "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
                "uvicorn.error": {"level": "INFO"},
                "uvicorn.access": {"handlers": ["default"], "level": "INFO", "propagate": False},
            },
        }
    )
    tool = logging.NullHandler()
    logging.getLogger().addHandler(tool)
    logs.configure(service="shop", destinations=[kept])
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "203.0.113.9:5555", "GET", f"/x?email={MAIL}", "1.1", 200
    )
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1mStarted"})
    assert [row["logger"] for row in kept.lines] == ["uvicorn.access", "uvicorn.error"]
    assert MAIL not in str(kept.lines)
    assert "203.0.113.9" not in str(kept.lines)
    assert "attributes" not in kept.lines[1]
    assert tool in logging.getLogger().handlers
    logging.getLogger().removeHandler(tool)


SECRETS = {
    "mail": MAIL, "card": CARD, "iban": "DE89370400440532013000", "ip": "203.0.113.77",
    "password": "correct-horse-battery", "ssn": "536-90-4399",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
}  # fmt: skip


def test_planted_personal_data_reach_no_destination(workbench: Running, token: str) -> None:
    """In messages, arguments, fields, keys, nested JSON, errors, causes, thread names, contexts: bytes are searched."""
    stream, found = io.StringIO(), b""

    def elastic(n: int, delivery: Any) -> Any:
        return 200, {"errors": False, "items": []}

    with receiving(elastic) as es, receiving(lambda n, d: (204, b"")) as lo:
        setup = logs.configure(
            service="canary",
            level="debug",
            destinations=[
                logs.Console("json", stream), logs.elasticsearch(es.url, pace=QUICK), logs.loki(lo.url, pace=QUICK),
                logs.workbench(workbench.url, token, pace=QUICK),
            ],
        )  # fmt: skip
        log, std = logs.get_logger("canary"), logging.getLogger("canary.std")
        for name, secret in SECRETS.items():
            said = f"password={secret}" if name == "password" else secret
            log.info(f"message {said}")
            log.info("field", **({"password": secret} if name == "password" else {"what": secret}))
            log.info("nested", tree={"a": [{"b": said}], "password": secret})
            log.info("json in a text", body=json.dumps({"user": {"password": secret, "note": said}}))
            log.info("url", url=f"https://x.example/p?token={secret}&email={MAIL}")
            std.warning("argument %s", said)
            std.warning("extra", extra={"context": {"authorization": f"Bearer {secret}", "n": said}})
            try:
                try:
                    raise KeyError(said)
                except KeyError as cause:
                    raise RuntimeError(f"because of {said}") from cause
            except RuntimeError:
                log.exception(f"failed {said}")
                std.exception("failed")
            with work(f"job {said}", request_id="r-1"):
                logs.bind(session_note=said)
                log.error("bound")
                structlog.contextvars.clear_contextvars()
        assert setup.flush(20)
        stats = setup.close(5)
        lines = stream.getvalue().splitlines()
        assert len(lines) == 10 * len(SECRETS)
        for name in ("elasticsearch", "loki", "workbench"):
            assert (stats[name].sent, stats[name].lost) == (len(lines), 0), stats[name]
        found = "\n".join(lines).encode() + b"".join(d.body for d in (*es.seen, *lo.seen))
        found += b"".join(str(d.headers).encode() for d in (*es.seen, *lo.seen))
    rows = rows_of(workbench, "logs", "canary")
    assert len(rows) == len(lines), "as many as were written"
    for name, secret in SECRETS.items():
        assert secret.encode() not in found, name
        assert secret not in str(rows), name
    for path in workbench.settings.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for name, secret in SECRETS.items():
                assert secret.encode() not in content, f"{name} in {path}"


def test_when_scrubbing_fails_the_text_does_not_leave(kept: Kept) -> None:
    class Broken:
        def text(self, text: str, *, source: str = "") -> str:
            raise ZeroDivisionError

        def value(self, tree: Any, *, source: str = "") -> Any:
            raise ZeroDivisionError

    logs.configure(service="shop", destinations=[kept], scrubber=Broken())
    logs.get_logger("pay").info(f"mail {MAIL}", a=MAIL)
    logging.getLogger("pay").error(MAIL)
    assert [row["message"] for row in kept.lines] == ["[scrub_failed]"] * 2
    assert MAIL.encode() not in kept.raw


def test_lines_of_requests_join_the_request_in_the_workbench(workbench: Running, token: str) -> None:
    """One line per request with status and duration; the trace id joins all that was said meanwhile."""
    setup = logs.configure(service="joined", destinations=[logs.workbench(workbench.url, token, pace=QUICK)])
    app = fastapi_app()

    @app.get("/api/talk/{id}")
    def talk(id: int) -> dict[str, int]:  # noqa: A002
        logging.getLogger("app").info("talking about %d", id)
        assert current() is not None
        return {"id": id}

    monitoring = add_monitoring(app, url=workbench.url, token=token, service="joined", request_lines=True, pace=QUICK)
    with serving(app) as client:
        answers = [client.get(f"/api/talk/{n}") for n in range(5)]
        client.get("/api/broken/x")
    assert monitoring.close()["requests"].sent == 6
    assert setup.flush()
    setup.close(2)
    lines = rows_of(workbench, "logs", "joined")
    requests = {r["trace_id"]: r for r in rows_of(workbench, "requests", "joined")}
    told = [r for r in lines if r["logger"] == "pitchey_slo.requests"]
    assert [r["message"] for r in told] == ["GET /api/talk/:id 200"] * 5 + ["GET /api/broken/:what 500"]
    assert [r["level"] for r in told] == ["info"] * 5 + ["error"]
    for row in told:
        request = requests[row["trace_id"]]
        assert row["status"] == request["status"]
        assert row["duration_ms"] == pytest.approx(request["duration_ms"], abs=0.001)
    talked = [r for r in lines if r["logger"] == "app"]
    assert [r["trace_id"] for r in talked] == [a.headers["traceparent"][3:35] for a in answers]
    assert {r["route"] for r in talked} == {"/api/talk/:id"}


def test_what_nobody_can_print_does_not_break_the_service(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("no")

    setup = logs.configure(service="shop", destinations=[kept])
    log, std = logs.get_logger("a"), logging.getLogger("a")
    log.info(
        "x", what=Broken(), huge=10**5_000, nan=float("nan"), nul="a\0b", half="\ud800", deep=[[[[[[[[[[1]]]]]]]]]]
    )
    log.info({"an": "object"})
    log.info(None)
    std.propagate = False  # pytest's own handler raises
    std.addHandler(Into(setup))
    std.info("%d items", "three")
    std.info(Broken())
    std.propagate = True
    std.handlers.clear()
    log.info("long " + "x" * 200_000, y="z" * 200_000, many={f"k{n}": "v" * 500 for n in range(500)})
    assert len(kept.lines) == 6
    assert "do not fit" in kept.lines[3]["message"]
    assert len(kept.lines[5]["message"]) <= 32_000
    assert len(orjson.dumps(kept.lines[5]["attributes"])) <= 32_768
    assert setup.broken == 0

    class Raises(Kept):
        def write(self, line: bytes, row: Any) -> None:
            raise ZeroDivisionError(MAIL)

    setup = logs.configure(service="shop", destinations=[Raises()])
    log.info(f"to {MAIL}")
    assert setup.broken == 1
    told = capsys.readouterr().err
    assert "1 lines could not be told, the last: ZeroDivisionError" in told
    assert MAIL not in told


def test_a_destination_that_logs_does_not_go_round(kept: Kept) -> None:
    class Chatty(Kept):
        def write(self, line: bytes, row: Any) -> None:
            super().write(line, row)
            logging.getLogger("chatty").warning("I wrote a line")

    chatty = Chatty()
    logs.configure(service="shop", destinations=[chatty])
    logs.get_logger("a").info("once")
    assert [row["message"] for row in chatty.lines] == ["once"]


def test_threads_write_at_once_and_no_line_is_lost_or_mixed_up() -> None:
    with receiving(lambda n, d: stored(len(d.rows))) as receiver:
        setup = logs.configure(service="shop", destinations=[logs.workbench(receiver.url, pace=Pace(age=0.02))])
        log = logs.get_logger("t")
        threads = [threading.Thread(target=lambda t=t: [log.info("n", t=t, n=n) for n in range(200)]) for t in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert setup.flush(20)
        told = {(r["attributes"]["t"], r["attributes"]["n"]) for r in receiver.rows}
        assert told == {(t, n) for t in range(6) for n in range(200)}
        assert len({r["event_id"] for r in receiver.rows}) == 1_200
        setup.close(1)


def test_the_end_of_a_process_and_its_forks_lose_no_line() -> None:
    code = """
import logging, os, sys
from pitchey_slo import logs
from pitchey_slo.instrument import Pace
logs.configure(service="p", destinations=[logs.workbench(sys.argv[1], pace=Pace(age=30))])
for n in range(10):
    logging.getLogger("a").warning("parent %d", n)
if os.fork() == 0:
    for n in range(10):
        logs.get_logger("a").warning(f"child {n}")
    sys.exit(0)
os.wait()
"""
    with receiving(lambda n, d: stored(len(d.rows))) as receiver:
        done = subprocess.run([sys.executable, "-c", code, receiver.url], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert sorted(r["message"] for r in receiver.rows) == sorted(
            f"{who} {n}" for who in ("parent", "child") for n in range(10)
        )
        assert len({r["event_id"] for r in receiver.rows}) == 20


def test_destinations_and_levels_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {
        "PITCHEY_LOG_DESTINATIONS": "console, loki,elasticsearch,workbench", "PITCHEY_LOG_LEVEL": "WARN",
        "PITCHEY_LOG_CONSOLE": "json", "PITCHEY_LOG_LOKI_URL": "http://127.0.0.1:9",
        "PITCHEY_LOG_LOKI_LABELS": "env=prod, a=b",
        "PITCHEY_LOG_ELASTICSEARCH_URL": "http://127.0.0.1:9", "PITCHEY_SLO_URL": "http://127.0.0.1:9",
        "PITCHEY_SLO_SERVICE": "env",
    }  # fmt: skip
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    setup = logs.configure()
    assert [d.name for d in setup.destinations] == ["console", "loki", "elasticsearch", "workbench"]
    assert setup.service == "env"
    assert logging.getLogger().level == logging.WARNING
    setup.close(0)
    monkeypatch.delenv("PITCHEY_LOG_DESTINATIONS")
    setup = logs.configure()
    assert [d.name for d in setup.destinations] == ["console", "workbench"]
    setup.close(0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"destinations": ["lokki"]}, "loki"), ({"destinations": []}, "no destination"),
        ({"level": "wrning"}, "warning"),
        ({"destinations": ["elasticsearch"]}, "PITCHEY_LOG_ELASTICSEARCH_URL"), ({"user_key": "short"}, "guessed"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_at_once(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        logs.configure(**given)


def test_the_docs_list_every_variable() -> None:
    from pathlib import Path

    from pitchey_slo.instrument import given as shared

    docs = Path(__file__).parents[2] / "docs"
    for name in ENVIRONMENT:
        assert name in (docs / "logging.md").read_text(), name
    for name in shared.ENVIRONMENT:
        assert name in (docs / "middleware.md").read_text(), name


def test_the_room_is_light_to_import() -> None:
    code = (
        "import sys; from pitchey_slo import logs; logs.configure(service='x'); logs.get_logger('a').info('x'); "
        "print([m for m in ('pandas', 'pyarrow', 'duckdb', 'fastapi', 'httpx', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
    assert fingerprint("x")


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="module")
def token(workbench: Running) -> str:
    return workbench.token("ingest")
