"""The command line: parse, call one function, print. The only place that exits.

One module per group of commands; each holds plain functions that Typer reads. A PitcheyError becomes one clear line and
exit code 1
(2 for bad usage, which is Typer's own); a traceback is a bug, or asked for with PITCHEY_LOG_LEVEL=debug.
"""

from __future__ import annotations

import importlib
import os
import sys

import typer

from pitchey_slo.errors import PitcheyError

#: group -> module with an `app` (sub-commands); command -> (module, function). Imported only when used.
GROUPS = {
    "alerts": "alerts",
    "slo": "slo",
    "report": "report",
    "export": "export",
    "token": "token",
    "rules": "rules",
    "incidents": "incidents",
    "synthetic": "synthetic",
    "pull": "pull",
}
COMMANDS = {
    "init": ("init", "init"),
    "demo": ("demo", "demo"),
    "serve": ("serve", "serve"),
    "dashboards": ("dashboards", "dashboards"),
    "doctor": ("doctor", "doctor"),
    "ingest": ("ingest", "ingest"),
    "sql": ("sql", "sql"),
    "query": ("query", "query"),
    "retention": ("keep", "retention"),
    "backup": ("keep", "backup"),
    "restore": ("keep", "restore"),
    "repair": ("keep", "repair"),
}


def build(argv: list[str]) -> typer.Typer:
    """The Typer application; only the module of the command asked for is imported, all of them for `--help`."""
    app = typer.Typer(
        name="pitchey-slo",
        help="Analytics and SLO workbench: the rule that pages you is the rule you reviewed.",
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
    )
    app.callback()(lambda: None)  # without it Typer drops the name of a command that is alone
    word = next((a for a in argv if not a.startswith("-")), None)
    for name, (module, function) in COMMANDS.items():
        if word in (None, name) or word not in {*COMMANDS, *GROUPS}:
            app.command(name)(getattr(importlib.import_module(f"{__name__}.{module}"), function))
    for name, module in GROUPS.items():
        if word in (None, name) or word not in {*COMMANDS, *GROUPS}:
            app.add_typer(importlib.import_module(f"{__name__}.{module}").app, name=name)
    return app


def main(argv: list[str] | None = None) -> None:
    """Entry point of `pitchey-slo`."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        build(argv)(args=argv, standalone_mode=True)
    except PitcheyError as error:
        if os.environ.get("PITCHEY_LOG_LEVEL") == "debug":
            raise
        print(f"{error.message}", file=sys.stderr)  # noqa: T201  # the one place that tells a person what went wrong
        sys.exit(1)
