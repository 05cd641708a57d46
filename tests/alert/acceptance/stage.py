"""A real `pitchey-slo serve` with a configuration of its own, and what a scene does with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pitchey_slo.client import ServerInfo, find_server
from tests.alert.channels.collector import Answering, Collector, Request
from tests.alert.channels.mailbox import Mailbox

from .boxes import Expected, Got, States, Want

PROGRAM = str(Path(sys.executable).with_name("pitchey-slo"))


def until(look: Callable[[], Any], seconds: float = 45.0, what: str = "it") -> Any:
    """What `look` gives as soon as it is something; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.05)
    return found


def now() -> datetime:
    return datetime.now(UTC)


class Stage:
    """One home and its server process, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.config = folder, folder / "home", folder / "config"
        for name in ("rules", "routes", "slos"):
            (self.config / name).mkdir(parents=True)
        self.home.mkdir()
        self.log = folder / "serve.log"
        self.collector = Collector()
        self.mailbox: Mailbox | None = None
        self.opening = now()
        self.refusals: dict[str, int] = {}
        self.taken: list[Request] = []
        self.refused: list[Request] = []
        self.collector.judge = self._judge
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.collector.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self._process: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(verify=False)

    def _judge(self, request: Request) -> Answering:
        """The first so many requests of a path are refused for now."""
        with self._lock:
            left = self.refusals.get(request.path, 0)
            self.refusals[request.path] = left - 1
            (self.refused if left > 0 else self.taken).append(request)
        return Answering(503 if left > 0 else 200)

    def write(self, name: str, content: str | Mapping[str, Any]) -> None:
        """A file of the configuration, in one go, so that no half of it is read. JSON is YAML."""
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        path = self.config / name
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(path)

    def webhook(self, path: str, **given: Any) -> dict[str, Any]:
        return {"url": f"{self.collector.url}/{path}", "allow_private": True, **given}

    # the process

    def start(self) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PITCHEY_", "SLACK_", "SMTP_", "ALERT_"))}
        env |= {"PITCHEY_CONFIG": str(self.config), "PITCHEY_FLUSH_SECONDS": "2", "PITCHEY_INVESTIGATE": ""}
        command = [PROGRAM, "serve", "--port", "0", "--home", str(self.home)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=self.folder)
        process = self._process

        def ready() -> ServerInfo | None:
            assert process.poll() is None, f"the server ended:\n{self.log.read_text()[-4000:]}"
            info = find_server(self.home)
            return info if info is not None and info.pid == process.pid else None

        info = until(ready, 90, "the start of the server")
        headers = {"Authorization": f"Bearer {info.token}"}
        self.client = httpx.Client(base_url=info.url, headers=headers, trust_env=False, timeout=60, verify=False)

    def kill(self) -> datetime:
        """kill -9; when that was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.client.close()
        return now()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(60)
        self.client.close()
        return code

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.client.close()
        self.collector.server.shutdown()
        self.collector.server.server_close()

    # what anybody may ask

    def ask(self, method: str, path: str, **given: Any) -> Any:
        answer = self.client.request(method, path, **given)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def gauge(self, name: str, value: float) -> None:
        self.ask("POST", "/api/monitoring/metrics", json={"metrics": [{"name": name, "type": "gauge", "value": value}]})

    def logged(self, text: str) -> bool:
        return text in self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class Scene:
    """One scenario: its alerts carry its name as the label `scene`, its collectors are `/name` or `/name-more`."""

    name: str
    stage: Stage
    expected: list[Expected] = field(default_factory=list)
    marks: dict[str, datetime] = field(default_factory=dict)

    # what it does

    def push(self, *names: str, over: bool = False, minutes: float = 10, **labels: str) -> None:
        ends_at = now() - timedelta(seconds=1) if over else now() + timedelta(minutes=minutes)
        body = [
            {"labels": {"severity": "warning", **labels, "alertname": n, "scene": self.name},
             "annotations": {"summary": f"{n} of {self.name}"}, "endsAt": ends_at.isoformat()}
            for n in names
        ]  # fmt: skip
        self.stage.ask("POST", "/api/v2/alerts", json=body)

    def fire(self, *names: str, **labels: str) -> None:
        self.push(*names, **labels)

    def resolve(self, *names: str, **labels: str) -> None:
        self.push(*names, over=True, **labels)

    def silence(self, matcher: str, minutes: float = 10) -> dict[str, Any]:
        body = {"matchers": [f'scene="{self.name}"', matcher], "comment": "a test", "minutes": minutes}
        return dict(self.stage.ask("POST", "/api/monitoring/silences", json=body))

    def unsilence(self, key: str) -> None:
        self.stage.ask("DELETE", f"/api/monitoring/silences/{key}")

    def ack(self, name: str) -> None:
        self.stage.ask("POST", f"/api/monitoring/alerts/{self.alert(name)['id']}/ack", json={"by": "Ann"})

    def mark(self, name: str) -> datetime:
        """Remember this moment."""
        self.marks[name] = now()
        return self.marks[name]

    def wait(self, count: int, where: str = "", seconds: float = 45.0) -> None:
        """Until a collector took so many messages."""
        path = where or self.name
        until(lambda: len(self._taken(path)) >= count, seconds, f"message {count} to {path}")

    # what it wants

    def want(self, *wants: Want, where: str = "", ordered: bool = True) -> None:
        """All that this collector is to get."""
        self.expected.append(Expected(where or self.name, list(wants), ordered))

    # what it got

    def alerts(self) -> list[dict[str, Any]]:
        query = {"state": "all", "filter": f'scene="{self.name}"', "limit": "100"}
        return list(self.stage.ask("GET", "/api/monitoring/alerts", params=query)["alerts"])

    def alert(self, name: str) -> dict[str, Any]:
        return next(a for a in self.alerts() if a["name"] == name)

    def why(self, name: str) -> dict[str, Any]:
        return dict(self.stage.ask("GET", f"/api/monitoring/alerts/{self.alert(name)['id']}/why"))

    @property
    def zero(self) -> datetime:
        """When the first alert began to fire."""
        return min(datetime.fromisoformat(a["fired_at"]) for a in self.alerts() if a["fired_at"])

    def problems(self) -> list[str]:
        """What is not as it should be, of all collectors, and of messages nobody asked for."""
        decided: dict[str, datetime] = {}
        for alert in self.alerts():
            told = self.stage.ask("GET", f"/api/monitoring/alerts/{alert['id']}/why")["notifications"]
            decided |= {n["id"]: datetime.fromisoformat(n["created_at"]) for n in told}
        found = []
        for each in self.expected:
            taken = self._taken(each.where)
            found += [f"{each.where}: nobody decided {key}" for key, *_ in taken if key not in decided]
            got = [Got(key, *rest, decided=decided.get(key, self.zero)) for key, *rest in taken]
            found += each.problems(got, self.zero)
            if len({(g.dedup_key, each.where) for g in got}) > len({g.dedup_key for g in got}):
                found.append(f"{each.where}: one group has several dedup keys")
        return found

    def _taken(self, where: str) -> list[tuple[str, str, str, States]]:
        """(id, dedup key, action, states) of what a collector answered 200 to."""
        if where == "mail":
            return [_mail(m) for m in list(self.stage.mailbox.mails)] if self.stage.mailbox else []
        return [_webhook(r) for r in list(self.stage.taken) if r.path == f"/{where}"]


def _webhook(request: Request) -> tuple[str, str, str, States]:
    body = request.json
    own = body["pitchey"]
    assert own["id"] == request.headers["webhook-id"]
    names = {s: frozenset(a["labels"]["alertname"] for a in body["alerts"] if a["status"] == s)
             for s in ("firing", "resolved")}  # fmt: skip
    return own["id"], own["dedupKey"], own["action"], States(**names)


def _mail(mail: Any) -> tuple[str, str, str, States]:
    """A mail says in its subject what fires."""
    subject = str(mail["Subject"])
    over = "resolved" in subject.lower()
    names = frozenset(word for word in subject.replace(":", " ").split() if word.startswith("Mail"))
    states = States(resolved=names) if over else States(firing=names)
    return str(mail["X-Pitchey-Notification"]), str(mail["References"]), "resolved" if over else "firing", states


@contextlib.contextmanager
def staged(folder: Path) -> Any:
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.close()
