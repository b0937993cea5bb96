"""docs/schema.md is what the code says, and the code says what the files hold."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heartloop.calls import CALL_FIELDS
from heartloop.run import layout, manifest, summary, verdicts

ROOT = Path(__file__).resolve().parent.parent


def test_the_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec and spec.loader
    make_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_docs)
    for name, page in make_docs.PAGES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page(), f"make docs: {name}"


def test_the_types_of_the_files_know_the_documented_fields_and_no_others() -> None:
    assert set(layout.Manifest.__annotations__) - {"search"} == set(manifest.FIELDS)
    top = {name for name in summary.FIELDS if "[]" not in name}
    assert set(layout.Summary.__annotations__) - {"scored_with"} == top
    row = {name.removeprefix("arms[].") for name in summary.FIELDS if name.startswith("arms[].")}
    assert set(layout.ArmRow.__annotations__) == row


def test_a_run_writes_the_documented_fields_and_no_others(
    tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    (tmp_path / "t.csv").write_text("question,answer\nWhat is 2 + 2?,4\nWhat is 2 + 3?,5\n")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [sys.executable, "-m", "heartloop", "run", "--task", "t.csv", "--model", "server/mock",
         "--base-url", mock_server(), "--rounds", "1", "--name", "r", "--json"],
        cwd=tmp_path, check=True, capture_output=True, timeout=60, env=env,
    )  # fmt: skip
    folder = tmp_path / "runs" / "r"
    call = json.loads((folder / "calls.jsonl").read_text().splitlines()[-1])
    flat = {k for k in call if k != "request"} | {f"request.{k}" for k in call["request"]}
    assert flat <= set(CALL_FIELDS)
    assert set(CALL_FIELDS) - flat <= {"request.extends", "reused", "sent", "served"}
    verdict = json.loads((folder / "verdicts.jsonl").read_text().splitlines()[0])
    assert set(verdict) == set(verdicts.FIELDS) - {
        "sent",
        "holds_gold",
        "state",
    }  # where there is some
    written: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    assert set(written) <= set(manifest.FIELDS)
    assert set(manifest.FIELDS) - set(written) <= {"ray", "pilot", "gate", "imported", "made_in"}
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    top = {name for name in summary.FIELDS if "[]" not in name}
    assert set(found) == top
    row = {name.removeprefix("arms[].") for name in summary.FIELDS if name.startswith("arms[].")}
    assert set(found["arms"][0]) == row
