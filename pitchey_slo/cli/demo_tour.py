"""What a person who runs the demo for the first time is shown: five things in order, and reports meanwhile."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_slo.client import ServerInfo
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from pitchey_slo.demo.collector_page import Step

#: Reports that are run beside the live demo, in this order.
REPORTS: Final = ("slo", "threshold_review", "daily_review")
#: Seconds until the first of them begins: the dashboards come first.
LATER: Final = 20.0
#: Seconds one may take, and may take to stop.
LONGEST: Final = 600.0
PATIENCE: Final = 5.0
LOG: Final = "demo-reports.log"


def steps_of(info: ServerInfo, settings: Settings, config: Path, log: Path, token: str = "") -> list[Step]:
    """Five things to look at in two minutes. `token` is what the server's own pages ask for."""
    from pitchey_slo.demo.collector_page import Step

    option = "" if settings.home == Settings.model_fields["home"].default else f" --home {settings.home}"
    show = f"{info.dashboards}/show" if info.dashboards else ""
    planted = config / "rules" / "demo.yml"
    rule = "DatabaseConnectionsHigh" if planted.is_file() else "HighErrorRate"
    return [
        Step(
            "Watch it break.",
            "In 20 seconds search and dashboard begin to fail: failing tests, error rate, burning budgets.",
            f"{show}/system" if show else info.url,
        ),
        Step(
            "Be told.",
            "After a minute and a half a failing test pages on-call, on this page; after three and a half "
            "HighErrorRate and burning budgets, one message each. Nobody answers, so others are told each minute.",
        ),
        Step(
            "Ask why.",
            "Who was told, when, by which rule and route, and who was not, in sentences: the link Why of a message"
            + (f"; its page asks for a token, such as {token}" if token else ""),
            f"{show}/alerts" if show else "",
            f"pitchey-slo alerts why ID{option}",
        ),
        Step(
            "Move the slider.",
            f"Choose {rule}: its threshold over the whole history, with recall, precision and pages by night.",
            f"{show}/review" if show else "",
            f"pitchey-slo rules whatif {rule}{option}",
        ),
        Step(
            "Decide, and see the rule change.",
            "Accept with a reason, apply: the file of the rule changes, the server takes it in seconds, and the rule "
            f"that pages you is the one you reviewed. Applying needs the admin's link (works once). File: {planted}",
            admin_link(log),
            f"pitchey-slo rules decisions{option}",
        ),
    ]


def token_for(info: ServerInfo, settings: Settings) -> str:
    """A token to read and to act on alerts, for whoever is on this machine; empty when others can reach the server."""
    from pitchey_slo.cli.serve import is_loopback
    from pitchey_slo.client import HttpDoor

    if not is_loopback(settings.host):
        return ""
    with HttpDoor(info) as door:
        return door.create_token("demo", ["read", "alert"], days=1)


def told_of(steps: Sequence[Step]) -> Iterable[str]:
    """The steps for a terminal."""
    for number, step in enumerate(steps, 1):
        yield f"  {number}. {step.title} {step.text}"
        where = "  ".join(part for part in (step.address, step.command) if part)
        if where:
            yield f"     {where}"


def admin_link(log: Path) -> str:
    """The link that signs one in as administrator, as the server printed it; empty without dashboards."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:  # it says so a moment after it is ready
        told = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"http://\S+/signin\?once=\S+", told):
            return found.group()
        if "all paths" in told:
            return ""
        time.sleep(0.05)
    return ""


class Reports:
    """A context manager: runs `REPORTS` one after the other in processes of low priority, when the home holds a
    history, and says when each is there. Leaving ends the one that runs."""

    def __init__(self, settings: Settings, config: Path, console: Console) -> None:
        self._settings, self._config, self._console = settings, config, console
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="demo-reports", daemon=True)

    def __enter__(self) -> Reports:
        from pitchey_slo.cli.demo import History

        held = History.of(self._settings.home)
        if held is not None and held.done:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE * 2)

    def _work(self) -> None:
        if self._stop.wait(LATER):
            return
        for name in REPORTS:
            code = self._run(name)
            if self._stop.is_set():
                return
            log = self._settings.home / LOG
            words = "is on the board Reports" if code == 0 else f"could not be made; {log} says why"
            self._console.print(f"the report {name} {words}", style="dim", soft_wrap=True)

    def _run(self, name: str) -> int:
        settings, nice = self._settings, shutil.which("nice")
        env = {
            **os.environ,
            "PITCHEY_HOME": str(settings.home.resolve()),
            "PITCHEY_CONFIG": str(self._config.resolve()),
        }
        command = [sys.executable, "-m", "pitchey_slo", "report", "run", name]
        with (settings.home / LOG).open("ab") as log:
            process = subprocess.Popen(
                [nice, "-n", "10", *command] if nice else command,
                stdout=log, stderr=log, env=env, start_new_session=True,
            )  # fmt: skip
        waited = 0.0
        while process.poll() is None and waited < LONGEST and not self._stop.wait(0.2):
            waited += 0.2
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            if process.poll() is None:
                process.kill()
        return process.wait()
