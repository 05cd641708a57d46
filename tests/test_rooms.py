"""The house keeps its shape: a room imports only from the rooms before it, and each library has one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pitchey_slo"

#: Rooms from the ground up.
FLOORS = [
    "names",
    "errors",
    "later",
    "yaml_source",
    "rrule",
    "tables",
    "series",
    "guard",
    "settings",
    "scrub",
    "instrument",
    "logs",
    "collect",
    "probe",
    "store",
    "promql",
    "slo",
    "alert",
    "analyse",
    "client",
    "door",
    "workbench",
    "plots",
    "board",
    "report",
    "web",
    "show",
    "demo",
    "doctor",
    "cli",
    "__main__",
]
FLOOR = {room: i for i, room in enumerate(FLOORS)}
#: Shipped for users' tests; sees what it doubles.
FLOOR["testing"] = FLOOR["promql"]

#: library -> the only rooms that may import it
HOMES = {
    "duckdb": {"store"},
    "deltalake": {"store"},
    "panel": {"show"},
    "papermill": {"report"},
    "nbconvert": {"report"},
    "fastapi": {"web"},
    "hypercorn": {"web"},
    "typer": {"cli"},
    "promql_parser": {"promql"},
    "obstore": {"probe"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import that runs; those under TYPE_CHECKING do not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the room"
            yield node.lineno, node.module
            if node.module == "pitchey_slo":
                yield from ((node.lineno, f"pitchey_slo.{alias.name}") for alias in node.names)


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_before_it(path: Path) -> None:
    room = room_of(path)
    assert room in FLOOR, f"{room} has no floor in tests/test_rooms.py"
    for line, module in imports(path):
        parts = module.split(".")
        if parts[0] == "pitchey_slo" and len(parts) > 1 and parts[1] != room:
            assert FLOOR[parts[1]] < FLOOR[room], f"{path}:{line}: {room} imports {parts[1]}, which comes after it"
        if parts[0] in HOMES:
            assert room in HOMES[parts[0]], f"{path}:{line}: only {sorted(HOMES[parts[0]])} may import {parts[0]}"


def test_every_room_has_a_front_door() -> None:
    for folder in (p for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()):
        doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert doc, f"{folder.name} says nothing of itself"
        assert len(doc.splitlines()) > 3, f"{folder.name} says nothing of itself"


def test_the_command_line_starts_without_heavy_imports() -> None:
    import subprocess
    import sys

    code = (
        "import sys, pitchey_slo, pitchey_slo.cli; pitchey_slo.cli.build(['init']); "
        "print([m for m in ('pandas', 'plotly', 'duckdb', 'deltalake', 'scipy', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
