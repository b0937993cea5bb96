"""Interaction traces on a planted model: it chooses less of what it is told to choose too often."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heartloop.analysis.preference import LABELS

LIKED = LABELS[4]
SHARE = re.compile(r"([A-Z][A-Za-z -]+) (\d+) % \((\d+) %\)")


def corrects(body: dict[str, Any]) -> str:
    """Likes one label, and weighs every label by people's share over its own, where it is told."""
    asked = body["messages"][-1]["content"]
    weights = {label: 30.0 if label == LIKED else 1.0 for label in LABELS}
    for label, own, people in SHARE.findall(asked):
        weights[label.strip()] *= (int(people) + 2) / (int(own) + 2)
    draw = int(hashlib.sha256(asked.encode()).hexdigest()[:8], 16) / 16**8 * sum(weights.values())
    for label, weight in weights.items():
        draw -= weight
        if draw <= 0:
            return f"Strategy: {label}"
    return f"Strategy: {LIKED}"


def test_a_planted_use_of_the_traces_is_told_from_its_control(
    heartloop, loopback, tmp_path: Path, capsys
) -> None:
    shares = tmp_path / "traces.json"
    common = ["--task", "esconv/action", "--practice", "--model", "server/m", "--base-url",
              loopback(corrects).url, "--yes", "--runs", str(tmp_path)]  # fmt: skip
    heartloop("run", *common, "--method", "single", "--controls", "none", "--name", "before")
    heartloop(
        "esc", "before", "--runs", str(tmp_path), "--write-traces", str(shares), "--draws", "50"
    )
    heartloop("run", *common, "--method", "traces", "--param", f"traces=@{shares}", "--name", "t")
    capsys.readouterr()
    heartloop("esc", "t", "--runs", str(tmp_path), "--json", "--draws", "100")
    found = json.loads(capsys.readouterr().out)
    arms = {arm["arm"]: arm for arm in found["arms"]}
    liked = {
        name: sum(arm["confusion"][LIKED].values()) / arm["items"] for name, arm in arms.items()
    }
    people = [pair[LIKED][1] / 100 for pair in json.loads(shares.read_text()).values()]
    assert liked["single"] > 0.7 and liked["again"] > 0.7
    assert liked["traces"] == pytest.approx(np.mean(people), abs=0.12)
    assert liked["traces-shuffled"] > liked["traces"] + 0.2
    pairs = {(d["second"], d["first"]): d["accuracy"] for d in found["differences"]}
    assert ("t:traces", "t:traces-shuffled") in pairs
