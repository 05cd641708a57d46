"""`pitchey-slo init`: a commented `.env` and the `config/` folder. Never overwrites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitchey_slo.settings import env_text, shipped


def init(
    folder: Annotated[Path, typer.Option("--dir", help="where to write")] = Path(),
) -> None:
    """Write a commented .env and the config/ folder here; files that exist are left as they are."""
    written, kept = [], []
    for path, content in [(folder / ".env", env_text().encode()), *_config_files(folder)]:
        if path.exists():
            kept.append(path)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.name == ".env":
            path.chmod(0o600)  # secrets will stand in it
        written.append(path)
    for path in written:
        typer.echo(f"wrote {path}")
    for path in kept:
        typer.echo(f"kept  {path} (exists)")
    typer.echo(
        "next: put your addresses and keys in .env, read config/slos/, "
        "then `pitchey-slo demo` or `pitchey-slo ingest FILE`"
    )


def _config_files(folder: Path) -> list[tuple[Path, bytes]]:
    source = shipped("config")
    files = sorted(p for p in source.rglob("*") if p.is_file())
    return [(folder / "config" / p.relative_to(source), p.read_bytes()) for p in files]
