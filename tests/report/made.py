"""Notebooks made for tests, and a browser that refuses everything but files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from pitchey_slo.report.record import Run
from pitchey_slo.report.worker import LOG, Ending
from pitchey_slo.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
PARAMETERS = 'window: str = "28d"  # how long\ntimes: int = 2'


def notebook(folder: Path, name: str = "10_try_report", *, cells: Sequence[str], parameters: str = PARAMETERS) -> Path:
    """A notebook with an introduction, a cell of parameters and `cells` of code."""
    nb = nbformat.v4.new_notebook()
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    tagged = nbformat.v4.new_code_cell(parameters)
    tagged.metadata["tags"] = ["parameters"]
    code = [nbformat.v4.new_code_cell(c) for c in cells]
    nb.cells = [nbformat.v4.new_markdown_cell("# A title\n\nWhat it tells,\nin a paragraph.\n\nMore."), tagged, *code]
    path = folder / f"{name}.ipynb"
    nbformat.write(nb, path)
    return path


def quick(text: str, parameters: Mapping[str, Any], target: Path, env: Mapping[str, str], **_: Any) -> Ending:
    """A worker that runs no cell: the notebook as it was, in the run's folder. For `run_notebook(work=...)`,
    in tests of everything around a kernel."""
    target.write_text(text, encoding="utf-8")
    target.with_name(LOG).write_text("", encoding="utf-8")
    return Ending(0, timed_out=False, cell=None, last_line="")


def unkept(run: Run, settings: Settings) -> None:
    """A registry that takes nothing down, where a test is not about it: opening a store takes half a second."""


def broken(text: str, parameters: Mapping[str, Any], target: Path, env: Mapping[str, str], **_: Any) -> Ending:
    """The same, as if its last cell had failed."""
    quick(text, parameters, target, env)
    return Ending(1, timed_out=False, cell=len(nbformat.reads(text, 4).cells), last_line="ZeroDivisionError: no")


@dataclass
class Seen:
    """What a browser saw: requests that were tried beyond files, messages of the console, and answers to questions."""

    tried: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    page: Any = None


@contextmanager
def opened(path: Path, **context: Any) -> Any:
    """Open a page in Chromium without any network and wait until its charts are drawn."""
    from playwright.sync_api import sync_playwright

    seen = Seen()
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        page = browser.new_context(**context).new_page()
        local = ("file:", "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(local) else seen.tried.append(r.url))
        page.on("console", lambda m: seen.messages.append(m.text))
        page.on("pageerror", lambda e: seen.messages.append(str(e)))
        page.route("**/*", lambda r: r.continue_() if r.request.url.startswith(local) else r.abort())
        page.goto(path.as_uri())
        if "data-drawn" in path.read_text(encoding="utf-8"):
            page.wait_for_selector("html[data-drawn]", timeout=30_000, state="attached")
        seen.page = page
        yield seen
        browser.close()
