"""What a selector gained of what choosing could gain, and what it cost."""

from pathlib import Path

import pytest

from heartloop.run.folder import RunFolder
from heartloop.run.selection import Selection, efficiency, selection_line


def trace(question: int, right: str, selected: int) -> list[dict]:
    return [
        {"task": "t", "model": "m", "arm": "a", "question": question, "purpose": "answer",
         "outcome": "correct" if mark == "r" else "incorrect", "selected": place == selected}
        for place, mark in enumerate(right)
    ]  # fmt: skip


def chosen(*traces):
    counted = Selection()
    for one in traces:
        counted.add(one)
    return counted.of(("t", "m", "a"))


def test_an_oracle_gains_all_and_the_first_answer_nothing():
    oracle = chosen(trace(1, "wr", 1), trace(2, "rw", 0), trace(3, "ww", 0), trace(4, "wr", 1))
    assert oracle["any"] == oracle["picked"] == 0.75 and efficiency(oracle) == 1.0
    first = chosen(trace(1, "wr", 0), trace(2, "rw", 0))
    assert first["any"] == 1.0 and efficiency(first) == 0.0
    assert efficiency(chosen(trace(1, "rw", 1), trace(2, "wr", 0))) == -1.0


def test_where_nothing_can_be_gained_there_is_no_efficiency():
    assert efficiency(chosen(trace(1, "rr", 1))) is None
    assert chosen(trace(1, "r", 0)) is None


@pytest.mark.parametrize(
    ("selector", "price"), [("majority", "; free"), ("synthesis", " % of tokens")]
)
def test_the_screen_of_a_verifier_free_loop_says_what_its_selector_gained_and_cost(
    tmp_path: Path, monkeypatch, heartloop, capsys, selector, price
):
    monkeypatch.chdir(tmp_path)
    heartloop(
        "run", "--task", "olympiad", "--practice", "--limit", "12", "--rounds", "2",
        "--mode", "verifier-free", "--selector", selector, "--controls", "none", "--name", "v",
    )  # fmt: skip
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("selector")]
    assert line.startswith(f"selector {selector}: ") and price in line and len(line) <= 80
    summary = RunFolder(tmp_path / "runs" / "v").summary
    assert line == selection_line(summary, selector)
    heart = next(row for row in summary["arms"] if row["role"] == "treatment")
    assert heart["selection"]["picked"] == pytest.approx(heart["accuracy"])
    assert (summary["paid"]["selecting"]["calls"] > 0) == (selector == "synthesis")


def test_the_turns_of_a_dialogue_are_no_candidates(tmp_path: Path, monkeypatch, heartloop, capsys):
    monkeypatch.chdir(tmp_path)
    heartloop(
        "run", "--task", "state25", "--method", "dialogue", "--limit", "1", "--rounds", "3",
        "--name", "d",
    )  # fmt: skip
    assert "selector" not in capsys.readouterr().out
    assert all(
        row["selection"] is None for row in RunFolder(tmp_path / "runs" / "d").summary["arms"]
    )
