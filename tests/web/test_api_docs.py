"""docs/api.md: every path of a table exists and needs the scope that stands beside it."""

from __future__ import annotations

import re
from pathlib import Path

from pitchey_slo.settings import Settings
from pitchey_slo.web.app import create_app
from pitchey_slo.web.auth import api_routes, scope_of

MANUAL = Path(__file__).parents[2] / "docs" / "api.md"
SCOPES = {"read", "alert", "ingest", "admin", "none"}


def plain(path: str) -> str:
    """Names of what stands in braces do not matter."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def served() -> dict[str, str]:
    routes = api_routes(create_app(None, Settings.load(env_file=None)))
    return {
        f"{method} {plain(route.path)}": need.scope or "none"
        for route in routes
        if (need := scope_of(route)) is not None
        for method in route.methods - {"HEAD", "OPTIONS"}
    }


def test_every_path_in_a_table_exists_and_needs_what_it_says() -> None:
    found, told = served(), set[str]()
    for line in MANUAL.read_text().splitlines():
        paths = re.findall(r"`((?:GET|POST|DELETE|PUT) /[^`]*)`", line.split("|")[1]) if line.startswith("| `") else []
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        for path in map(plain, paths):
            told.add(path)
            assert path in found, f"docs/api.md: {path} is no path"
            if cells[1] in SCOPES:
                assert found[path] == cells[1], f"docs/api.md: {path} needs {found[path]}"
    assert len(told) > 40
