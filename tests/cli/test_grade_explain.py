"""``heartloop grade --explain``: what was read where, and by which rule."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from heartloop.cli import cli


def said(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["grade", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_an_answer_of_a_pair_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(
        json.dumps({"id": "a", "gold": "Paris", "prediction": "Well, it is **Paris**, I think."})
        + "\n"
        + json.dumps({"id": "b", "gold": "Paris", "prediction": "Paris or Rome"})
    )
    out = said("--verifier", "text", "--pairs", str(path), "--explain")
    first, second = out.split("\n\n")[:2]
    assert "it is **⟦Paris⟧**" in first and "own       correct" in first
    assert "not kept (by single_line)" in first and "characters 14 to 19" in first
    assert "own       incorrect" in second and "content by the reader text" in second


def test_an_answer_to_a_task_is_explained(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("id,question,answer\nq1,What is 40 + 2?,42\n")
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"id": "q1", "prediction": "\\boxed{41}. Wait, the correct answer is 42."})
    )
    out = said(
        "--task", str(tmp_path / "q.csv"), "--answers", str(tmp_path / "a.jsonl"), "--explain"
    )
    assert "read by the step conclusion" in out and "⟦42⟧" in out
    assert "verifier math (math)" in out
