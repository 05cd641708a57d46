"""`pitchey-slo doctor`: looks at everything the workbench needs, and says what to do."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pitchey_slo.cli.console import Home, Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitchey_slo.doctor import Finding

_SIGNS = {"ok": "ok", "warning": "!", "failure": "FAIL", "not applicable": "-"}
_STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red", "not applicable": "dim"}


def doctor(
    home: Home = None,
    send: Annotated[bool, typer.Option("--send", help="Send one test message by every channel.")] = False,
    as_json: Json = False,
) -> None:
    """Look at server, store, sources, rules, channels, disk, clock and the rest, and say what helps. Writes nothing;
    exit code 1 when something does not work."""
    from pitchey_slo.doctor import examine

    begun = time.monotonic()
    found = examine(home, clock=lambda: datetime.now(UTC), send=send)
    seconds = time.monotonic() - begun
    failed = any(f.verdict == "failure" for f in found)
    if as_json:
        import orjson

        told = {"ok": not failed, "at": datetime.now(UTC), "seconds": round(seconds, 3), "findings": found}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    else:
        _print(found, seconds)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.environ.get("PYTEST_CURRENT_TEST") is None and _left_behind():
        os._exit(int(failed))  # a check that hangs would keep the process from ending
    raise typer.Exit(int(failed))


def _left_behind() -> bool:
    import threading

    return any(t is not threading.main_thread() and not t.daemon for t in threading.enumerate())


def _print(found: Sequence[Finding], seconds: float) -> None:
    from rich.table import Table
    from rich.text import Text

    from pitchey_slo.cli.console import show

    grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    area = ""
    for finding in found:
        style = _STYLES[finding.verdict]
        text = Text(finding.text)
        if finding.help and finding.verdict != "ok":
            text.append(f"\n-> {finding.help}", style="cyan")
        grid.add_row(finding.area if finding.area != area else "", Text(_SIGNS[finding.verdict], style=style), text)
        area = finding.area
    show(grid)
    counts = {verdict: sum(f.verdict == verdict for f in found) for verdict in _SIGNS}
    show(
        Text(
            f"\n{counts['failure']} failures, {counts['warning']} warnings, {counts['ok']} good, "
            f"{counts['not applicable']} not applicable; looked for {seconds:.1f} s"
        )
    )
