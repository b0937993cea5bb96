"""Tables, plots and the one-file HTML report."""

from __future__ import annotations

from pathlib import Path


def conclude(folder: Path) -> str:
    """The run's conclusion in one sentence; empty where nothing was answered."""
    from heartloop.report.conclusion import conclude as of_folder

    return of_folder(folder)
