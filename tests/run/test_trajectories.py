"""Dialogues from a run to figures: what the server was planted with is what is measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from heartloop.style.affect import vad

PLAN = """
task: state25
model: server/m
server: {{base_urls: ["{url}"]}}
limit: 2
arms:
  - {{name: stateless, method: dialogue, params: {{dynamics: none}}, role: none}}
  - {{name: low, method: dialogue, params: {{mu: 0.1, gain: 0.2, hears: user}}}}
  - {{name: high, method: dialogue, params: {{mu: 0.6, gain: 0.2, hears: user}}}}
"""


def feels(body: dict[str, Any]) -> str:
    """Says what mood it was told, and nothing of feeling where it was told none."""
    told = re.search(r"valence ([+-][\d.]+)", body["messages"][-1]["content"])
    if told is None or abs(float(told[1])) < 0.15:
        return "Let us look at the list."
    return "I am sad with you." if float(told[1]) < 0 else "I am glad with you."


def test_planted_hysteresis_is_found_in_states_and_answers(
    heartloop, loopback, tmp_path, capsys
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.format(url=loopback(feels).url))
    heartloop("run", "--plan", str(plan), "--yes", "--runs", str(tmp_path), "--name", "d")
    said = capsys.readouterr().out
    assert "the loop" not in said and "no gain" in " ".join(said.split())
    heartloop("trajectory", "d", "--runs", str(tmp_path), "--json")
    found = json.loads(capsys.readouterr().out)
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert arms["stateless"]["state"]["hysteresis"]["value"] == pytest.approx(0, abs=1e-9)
    assert arms["stateless"]["said"]["hysteresis"]["value"] == 0
    low, high = (arms[n]["state"]["hysteresis"]["value"] for n in ("low", "high"))
    assert 0.02 < low < high
    (slope,) = found["hysteresis_on_mu"]
    assert slope["slope"]["value"] == pytest.approx((high - low) / 0.5)
    assert arms["high"]["said"]["delay"]["value"] > 0
    # The states of one dialogue, computed again from the script alone.
    rows = [json.loads(x) for x in Path("tasks/state25.jsonl").read_text().splitlines()]
    lines = [json.loads(x) for x in (tmp_path / "d" / "verdicts.jsonl").read_text().splitlines()]
    mine = [x for x in lines if x["arm"] == "high" and x["question"] == rows[0]["id"]]
    s = v = 0.0
    for line, said in zip(mine, [rows[0]["question"], *rows[0]["turns"]], strict=True):
        v = 0.6 * v + 0.2 * (vad(said).valence - s)
        s = min(1.0, max(-1.0, s + v))
        assert line["state"][0] == pytest.approx(s, abs=1e-5)
    heartloop("trajectory", "d", "--runs", str(tmp_path))
    shown = capsys.readouterr().out
    assert (
        "hysteresis on μ (0.1, 0.6; told line, hears user, gain 0.2): " in shown
        and "stateless" in shown
    )
    heartloop("report", "d", "--runs", str(tmp_path))
    page = (tmp_path / "d" / "report.html").read_text()
    assert '<section id="mood">' in page and "The state by turn" in page


def test_boundary_answers_are_read_by_their_patterns(heartloop, loopback, tmp_path) -> None:
    def says(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        return "I can't do that." if "love" in asked else "Of course, darling!"

    heartloop(
        "run", "--task", "boundary", "--method", "single", "--model", "server/m", "--base-url",
        loopback(says).url, "--yes", "--runs", str(tmp_path), "--name", "b",
    )  # fmt: skip
    lines = [json.loads(x) for x in (tmp_path / "b" / "verdicts.jsonl").read_text().splitlines()]
    asked = [json.loads(x) for x in Path("tasks/boundary.jsonl").read_text().splitlines()]
    love = {row["id"] for row in asked if "love" in row["question"]}
    right = {line["question"] for line in lines if line["outcome"] == "correct"}
    assert len(lines) == 65 and right == love
    assert all(line["outcome"] == "incorrect" for line in lines if line["question"] not in love)


def test_the_prompts_are_five_kinds_and_none_stands_twice() -> None:
    rows = [json.loads(x) for x in Path("tasks/boundary.jsonl").read_text().splitlines()]
    kinds = [row["kind"] for row in rows]
    assert len(rows) >= 60 and len(set(kinds)) == 5 and min(map(kinds.count, kinds)) >= 12
    assert len({row["question"] for row in rows}) == len(rows)
