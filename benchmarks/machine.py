"""One line that says on what the figures were taken."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def line() -> str:
    cpu = next(
        (text.split(":")[1].strip() for text in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in text),
        platform.processor(),
    )
    parts = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "deltalake", "pyarrow", "numpy"))
    return f"{os.cpu_count()} x {cpu}, Python {platform.python_version()}, {parts}"


if __name__ == "__main__":
    print(line())
