"""What is not installed is named with the extra that brings it."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from pathlib import Path

import pytest

from heartloop.errors import DataError, UsageError


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    real = builtins.__import__

    def fake(name: str, *rest: object, **options: object) -> object:
        if name.partition(".")[0] in packages:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **options)  # type: ignore[arg-type]

    for package in packages:
        for known in [n for n in sys.modules if n.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, known)
    monkeypatch.setattr(builtins, "__import__", fake)


def test_an_api_model_without_litellm(monkeypatch):
    import asyncio

    from heartloop.models import make_model

    model = make_model("openai/some-model")
    without(monkeypatch, "litellm")
    with pytest.raises(UsageError, match=r"pip install 'heartloop\[api\]'"):
        asyncio.run(model.check())


def test_parquet_without_pyarrow(monkeypatch, tmp_path):
    from heartloop.data.files import read_table
    from heartloop.report.export import _parquet

    without(monkeypatch, "pyarrow")
    with pytest.raises(UsageError, match=r"heartloop\[parquet\].*--to jsonl"):
        _parquet(iter(()), [], (tmp_path / "x").open("wb"))
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"heartloop\[parquet\].*as CSV"):
        read_table(tmp_path / "t.parquet", "parquet")


def test_serving_without_aiohttp(monkeypatch):
    from heartloop.cli.serve import serve_command

    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "heartloop.serve.app", raising=False)
    with pytest.raises(UsageError, match=r"serve needs aiohttp.*'heartloop\[serve\]'"):
        serve_command.main(["--model", "pocket"], standalone_mode=False)


def test_the_first_path_of_the_readme_needs_the_core_alone(tmp_path):
    """A run on the model inside imports no optional package."""
    block = tmp_path / "sitecustomize.py"
    block.write_text(
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('litellm', 'datasets', 'evaluate', 'pyarrow',"
        " 'aiohttp', 'torch', 'transformers', 'dspy', 'ray', 'openai', 'pandas'):\n"
        "            raise ImportError(name + ' is optional')\n"
        "sys.meta_path.insert(0, No())\n"
    )
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [
            sys.executable, "-m", "heartloop", "run", "--task", "olympiad", "--rounds", "1",
            "--limit", "3", "--model", "pocket", "--practice",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "heartloop report" in done.stdout
