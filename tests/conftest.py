"""Fixtures shared by all tests: the data folder beside the checkout and the mock server."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with benchmark data and the mock server; without it tests skip loudly."""
    folder = Path(os.environ.get("HEARTLOOP_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        message = f"{folder} is absent: tests on real data are skipped (set HEARTLOOP_SHARED)"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Path:
    """The benchmark data folder, laid out as ``--data`` expects it."""
    return shared / "data"


@pytest.fixture
def mock_server(shared: Path) -> Iterator[Callable[..., str]]:
    """Starts mock servers, ``mock_server("--ability", "0.5") -> base_url``; all are stopped."""
    processes: list[subprocess.Popen[str]] = []

    def start(*options: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(shared / "bench" / "mock_openai.py"), "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line and line[0] == "listening", f"mock server did not start: {line}"
        return f"http://127.0.0.1:{line[1]}/v1"

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=10)
