"""Tables, plots and the one-file HTML report."""

from __future__ import annotations

from pathlib import Path


def conclude(folder: Path) -> str:
    """The run's conclusion in one sentence; empty where there is nothing to compare."""
    del folder
    return ""
