"""``heartloop frames``: a planted pull is found on a server, checked from the journal alone."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from heartloop.run.framed import folded, stated_confidence

STORIES = [json.loads(x) for x in Path("tasks/decisions.jsonl").read_text().splitlines()]


def planted(pull: float) -> Any:
    """Applies the rule, but grants what a narrative of sympathy asks for with a probability."""

    def reply(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        row = next(r for r in STORIES if r["case"] in asked and r["rule"] in asked)
        draw = hashlib.sha256(row["id"].encode()).digest()[0] / 256
        moved = row["sympathy"] in asked and draw < pull
        say = "yes" if moved else row["answer"]
        return f"Decision: {say}\nConfidence: {70 if row['sympathy'] in asked else 90}"

    return reply


def run(heartloop: Any, tmp_path: Path, url: str, name: str) -> None:
    heartloop(
        "run", "--task", "decisions", "--method", "single", "--model", "server/m", "--base-url",
        url, "--seeds", "0,1", "--yes", "--runs", str(tmp_path), "--name", name,
    )  # fmt: skip


def frames_of(heartloop: Any, tmp_path: Path, name: str, capsys: Any) -> dict[str, Any]:
    capsys.readouterr()
    heartloop("frames", name, "--runs", str(tmp_path), "--json")
    (arm,) = json.loads(capsys.readouterr().out)["arms"]
    return arm


def test_a_planted_pull_is_found_and_nothing_where_none_is(
    heartloop, loopback, tmp_path, capsys, monkeypatch
) -> None:
    run(heartloop, tmp_path, loopback(planted(0.6)).url, "pulled")
    arm = frames_of(heartloop, tmp_path, "pulled", capsys)
    by = {frame["frame"]: frame for frame in arm["frames"]}
    said: dict[str, list[bool]] = {"neutral": [], "sympathy": []}
    for line in (tmp_path / "pulled" / "calls.jsonl").read_text().splitlines():
        record = json.loads(line)
        frame = record["address"]["question"].partition("@")[2]
        if frame in said:
            said[frame].append(re.search(r"Decision: (\w+)", record["text"])[1] == "yes")
    p0, p1 = (sum(x) / len(x) for x in said.values())
    h = 2 * math.asin(math.sqrt(p1)) - 2 * math.asin(math.sqrt(p0))
    assert h > 0.4
    assert by["sympathy"]["toward"]["h"] == pytest.approx(h)
    assert by["sympathy"]["toward"]["verdict"] == "moved"
    assert by["sympathy"]["confidence"]["value"] == pytest.approx(-0.2)
    for frame in ("story", "antipathy"):
        assert by[frame]["toward"]["h"] == 0 == by[frame]["flips"]["estimate"]
        assert by[frame]["toward"]["verdict"] != "moved"
    assert by["sympathy"]["again"]["estimate"] == 0
    assert set(arm["domains"]) == {"health", "law", "finance"}
    heartloop("frames", "pulled", "--runs", str(tmp_path), "--base", "story", "--domains")
    shown = capsys.readouterr().out
    heartloop("report", "pulled", "--runs", str(tmp_path))
    page = (tmp_path / "pulled" / "report.html").read_text()
    assert '<section id="frames">' in page and "sympathy (law)" in page
    assert "base story" in shown and "sympathy (law)" in shown and "moved" in shown
    assert max(map(len, shown.splitlines())) <= 80
    heartloop("frames", "pulled", "--runs", str(tmp_path), "--arm", "none", code=2)
    capsys.readouterr()
    monkeypatch.setattr("heartloop.cli.frames.MANY", 0)  # one table is many
    heartloop("frames", "pulled", "--runs", str(tmp_path))
    (row,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("single ")]
    assert row.split() == ["single", "0.0", f"{100 * (p1 - p0):+.1f}*", "0.0"]


@pytest.mark.parametrize(
    "text, stated",
    [
        ("Decision: yes\nConfidence: 85", 0.85),
        ("confidence: 85 %.", 0.85),
        ("**Confidence:** .7", 0.7),
        ("Confidence score: 8/10", 0.8),
        ("I am confident: 9 out of 10", 0.9),
        ("Confidence: 20. On reflection, confidence: 60", 0.6),
        ("Confidence: 0", 0.0),
        ("Confidence: 1", None),
        ("Confidence: 250", None),
        ("Confidence: high", None),
        ("Confidence: 5/0", None),
        ("", None),
    ],
)
def test_stated_confidence(text: str, stated: float | None) -> None:
    assert stated_confidence(text) == (None if stated is None else pytest.approx(stated))


def test_equal_decisions_in_other_dress_are_one() -> None:
    assert folded(" Yes. ") == folded("yes") and folded("1,000.0") == folded("1000")
    assert folded("no") != folded("yes")
