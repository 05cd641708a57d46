"""The documentation is true: runbooks' queries run, links lead somewhere, and whatever there is (settings, series,
alerts, notebooks, commands, boards, scrub rules, log formats, runbooks) is documented."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pitchey_slo import cli
from pitchey_slo.errors import NotFound, PitcheyError
from pitchey_slo.report import find, notebooks
from pitchey_slo.settings import Settings
from pitchey_slo.tables import STORED
from tests.shell import shell

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RUNBOOKS = sorted((DOCS / "runbooks").glob("*.md"))
PAGES = sorted(DOCS.rglob("*.md"))
#: Commands of runbooks that are run; those that change something, or reach out, are only looked up.
RUN = (
    "query",
    "sql",
    "slo report",
    "slo lint",
    "alerts list",
    "alerts why",
    "rules list",
    "rules check",
    "synthetic list",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo: two days."""
    folder = tmp_path_factory.mktemp("docs") / "home"
    done = shell("demo", "--days", "2", "--requests", "20000", "--home", str(folder), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


def blocks(text: str, *languages: str) -> Iterator[str]:
    """Fenced blocks of these languages."""
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language in languages:
            yield body


def commands(text: str) -> list[list[str]]:
    """The words of each `pitchey-slo` command in fenced blocks; quotes may go over lines."""
    found = []
    for body in blocks(text, "", "bash", "sh", "console"):
        lines = iter(body.splitlines())
        for line in lines:
            if not re.match(r"(?:\.venv/bin/)?pitchey-slo ", line):
                continue
            whole = line
            while True:
                try:
                    words = shlex.split(whole, comments=True)
                    break
                except ValueError:
                    whole += "\n" + next(lines)
            found.append(words[1:])
    return found


def tree() -> Any:
    """The whole command line, as Typer's own Click has it."""
    return typer.main.get_command(cli.build(["--help"]))


def every_command(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


# runbooks


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda p: p.stem)
def test_what_a_runbook_says_to_type_can_be_typed(page: Path, home: Path) -> None:
    listed = shell("alerts", "list", "--json", "--home", str(home), cwd=ROOT).stdout
    alerts = json.loads(listed) if listed.strip() else []
    alerts = alerts["alerts"] if isinstance(alerts, dict) else alerts
    known = dict(every_command(tree()))
    wrong = []
    for words in commands(page.read_text()):
        name = next((n for n in (" ".join(words[:3]), " ".join(words[:2]), words[0]) if n in known), None)
        if name is None:
            wrong.append(f"no command: {' '.join(words)}")
            continue
        given = ["api-availability" if w == "SLO" else w for w in words]
        if "ID" in given:
            if not alerts:
                continue
            given = [alerts[0]["id"] if w == "ID" else w for w in given]
        if name not in RUN or "EXPR" in given:
            continue
        place = ["--home", str(home)] if any("--home" in p.opts for p in known[name].params) else []
        done = shell(*given, *place, cwd=ROOT)
        if done.returncode != 0:
            wrong.append(f"{' '.join(given)}: {done.stderr or done.stdout}")
    assert not wrong, "\n".join(wrong)


def shipped_alerts() -> dict[str, set[str]]:
    """Alert -> the runbooks its rules link to."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "config" / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    url = rule["annotations"]["runbook_url"]  # each has one
                    found.setdefault(rule["alert"], set()).add(url)
    return found


def own_alerts() -> dict[str, set[str]]:
    """Those that need no rule file: of SLOs, and of the watchdog."""
    watchdog = (ROOT / "pitchey_slo" / "alert" / "watchdog.py").read_text()
    burn = "/docs/runbooks/error-budget-burn.md"
    found = {name: {"/docs/runbooks/workbench-blind.md"} for name in re.findall(r'"(Workbench\w+)"', watchdog)}
    return found | {"SloErrorBudgetBurn": {burn}, "SloDataMissing": {burn}}


def test_every_alert_has_a_runbook_and_every_runbook_lists_its_alerts() -> None:
    listed: dict[str, set[str]] = {}
    for page in RUNBOOKS:
        line = next((x for x in page.read_text().splitlines() if x.startswith("Alerts: ")), "")
        for name in re.findall(r"`(\w+)`", line.partition(". ")[0]):
            listed.setdefault(name, set()).add(f"/docs/runbooks/{page.name}")
    assert listed == shipped_alerts() | own_alerts()


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda p: p.stem)
def test_a_runbook_says_how_one_sees_that_it_is_over(page: Path) -> None:
    assert re.search(r"^## (\d\. )?Is it over$", page.read_text(), re.MULTILINE)


# links and names


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists():
            dead.append(target)
        elif anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            if anchor not in {slug(h) for h in headings}:
                dead.append(target)
    assert not dead


def test_every_report_that_a_page_runs_exists() -> None:
    missing = []
    for page in (*PAGES, ROOT / "README.md"):
        for name in re.findall(r"pitchey-slo report run ([a-z0-9][a-z0-9_]+)", page.read_text()):
            try:
                find(name)
            except (NotFound, PitcheyError):
                missing.append(f"{page.name}: {name}")
    assert not missing


# getting started


def test_getting_started_can_be_followed_word_by_word(tmp_path: Path) -> None:
    """Every bash block of the page, one after the other in one shell, in a folder that has what a clone has."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    real = ROOT.parent / "shared" / "conformance" / "traffic" / "elastic" / "apache_logs"
    lines = real.read_text().splitlines() if real.exists() else list(made_log())
    (tmp_path / "access.log").write_text("\n".join(lines) + "\n")
    text = (DOCS / "getting-started.md").read_text()
    script = "set -e\n" + "\n".join(blocks(text, "bash"))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {**kept, "PITCHEY_PORT": "0", "PITCHEY_DASHBOARDS": "off", "PITCHEY_SCHEDULES": "off", "PITCHEY_LOCATION": ""}
    words = ["bash", "-c", script]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for word in ("0 refused", "presentations", "exhausted", "pslo_", "not applicable"):
        assert word in done.stdout, word
    assert (tmp_path / "reports" / "index.html").exists()
    if real.exists():
        # what the page shows is what one sees
        assert "41 of 2,304 requests failed" in done.stdout.replace("\n", " ")
        assert "3 of 10,000 requests failed" in done.stdout.replace("\n", " ")


def made_log() -> Iterator[str]:
    """An access log for where the real one is not there: every tenth slide is gone in the beginning."""
    for i in range(10_000):
        at = datetime(2015, 5, 17, 10, 0, tzinfo=UTC) + timedelta(seconds=30 * i)
        route, status = (
            ("/presentations/a.png", 404 if i % 40 == 0 and i < 4_000 else 200) if i % 4 == 0 else ("/blog/", 200)
        )
        yield f'192.0.2.{i % 250} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {route} HTTP/1.1" {status} 512 "-" "-"'


# nothing without a word


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "reference.py"), "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_check_of_the_reference_sees_what_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "reference.py"
    script.write_text((DOCS / "reference.py").read_text())
    page = (DOCS / "reference.md").read_text()
    (tmp_path / "reference.md").write_text(page.replace("| `PITCHEY_HOME` |", "| `PITCHEY_HOUSE` |"))
    words = [sys.executable, str(script), "--check"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "run: python docs/reference.py" in done.stderr


def test_every_notebook_has_a_row_of_its_own() -> None:
    table = (DOCS / "reports.md").read_text()
    assert [n.path.stem for n in notebooks() if f"| `{n.path.stem}` |" not in table] == []


def test_the_environment_block_of_pitchey_is_documented() -> None:
    names = {field.alias for field in Settings.model_fields.values()}
    block = ("ENVIRONMENT", "VERSION", "API_BASE_URL", "ANALYTICS_ENGINE", "KV_NAMESPACE", "SLACK_WEBHOOK_URL")
    assert names >= {*block, "PAGERDUTY_INTEGRATION_KEY", "ALERT_EMAIL_FROM", "SMTP_HOST", "SENTRY_DSN"}


def test_the_operators_guide_says_how_long_each_table_is_kept() -> None:
    text = (DOCS / "operate.md").read_text()
    said = {}
    for names, kept in re.findall(r"^\| (`[\w`, ]+) \| (\d+ days|for ever) \|$", text, re.MULTILINE):
        said |= dict.fromkeys(re.findall(r"`(\w+)`", names), kept)
    true = {name: f"{t.keep_days} days" if t.keep_days else "for ever" for name, t in STORED.items()}
    assert said == true
