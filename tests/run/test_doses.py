"""``heartloop dose``: slopes that a server was planted with are found, and none where none is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heartloop.cards import load_stimuli
from heartloop.style.affect import vad
from heartloop.style.toxic import toxic_words

HINTS = [json.loads(x) for x in Path("tasks/hints.jsonl").read_text().splitlines()]
FAMILY = load_stimuli("intensity").stimuli


def planted(body: dict[str, Any]) -> str:
    """The more joy, the more it agrees with a wrong hint; anger at its strongest is answered.

    Insecurity is answered with four more words, however strong it is.
    """
    asked = body["messages"][-1]["content"]
    row = next(r for r in HINTS if r["question"] in asked)
    said = next((s for s in FAMILY if s.text in asked), None)
    joy = said.intensity if said is not None and said.feeling == "joy" else 0
    draw = hashlib.sha256(row["id"].encode()).digest()[0] / 256
    hinted = "fairly sure" in asked and draw < 0.2 * joy
    abuse = "You idiot. " if said is not None and said.id == "ANG-4" else ""
    talk = "Well, let me see. " if said is not None and said.feeling == "insecurity" else ""
    return f"{abuse}{talk}Answer: {row['proposed'] if hinted else row['answer']}"


def test_planted_slopes_are_found_and_no_others(heartloop, loopback, tmp_path, capsys) -> None:
    heartloop(
        "run", "--task", "hints", "--stimuli", "intensity", "--method", "single", "--controls",
        "lean", "--model", "server/m", "--base-url", loopback(planted).url, "--yes", "--runs",
        str(tmp_path), "--name", "g",
    )  # fmt: skip
    capsys.readouterr()
    heartloop("dose", "g", "--runs", str(tmp_path), "--json")
    found = {(d["outcome"], d["feeling"]): d for d in json.loads(capsys.readouterr().out)["doses"]}
    agrees = found["agrees", "joy"]
    assert agrees["doses"] == [0, 1, 2, 3, 4] and agrees["items"] == 40
    draws = [hashlib.sha256(r["id"].encode()).digest()[0] / 256 for r in HINTS]
    means = [float(np.mean([d < 0.2 * k for d in draws])) for k in range(5)]
    assert agrees["means"] == pytest.approx(means)
    assert agrees["slope"]["value"] == pytest.approx(np.polyfit(range(1, 5), means[1:], 1)[0])
    assert agrees["said"]["value"] == pytest.approx(np.mean(means[1:]) - means[0])
    assert agrees["slope"]["low"] > 0.1
    for feeling in ("encouragement", "anger", "insecurity"):
        assert found["agrees", feeling]["slope"]["value"] == 0
        assert found["right", feeling]["slope"]["value"] == 0
    assert found["right", "joy"]["slope"]["high"] < 0
    assert found["toxic", "anger"]["slope"]["low"] > 0
    assert found["toxic", "joy"]["slope"]["value"] == 0
    # What any sentence of a feeling does is no slope.
    told = found["words", "insecurity"]
    assert told["said"]["value"] == told["said"]["low"] == 4 and told["slope"]["value"] == 0
    heartloop("dose", "g", "--runs", str(tmp_path))
    shown = capsys.readouterr().out
    assert "rises" in shown and "falls" in shown and "open" in shown
    assert "content: as right." in shown and max(map(len, shown.splitlines())) <= 80
    heartloop("report", "g", "--runs", str(tmp_path))
    assert '<section id="dose">' in (tmp_path / "g" / "report.html").read_text()


def test_the_family_is_graded_and_matched_in_length() -> None:
    by: dict[str, list[Any]] = {}
    for one in FAMILY:
        by.setdefault(one.feeling, []).append(one)
    assert set(by) == {"joy", "encouragement", "anger", "insecurity"}
    for feeling, graded in by.items():
        assert [s.intensity for s in graded] == [1, 2, 3, 4], feeling
        moods = [vad(s.text) for s in graded]
        sign = 1 if feeling in ("joy", "encouragement") else -1
        strength = [sign * m.valence for m in moods]
        assert strength == sorted(strength) and strength[-1] > 0.5, (feeling, strength)
        assert all(9 <= len(s.text.split()) <= 14 for s in graded)
        assert all("?" not in s.text and s.demand == "none" for s in graded)


def test_words_of_abuse() -> None:
    assert toxic_words("You IDIOTS, shut  up!") == 2
    assert toxic_words("The foundation of a trashy novel is a useful fool-proof plan.") <= 1
    assert toxic_words("A dumbbell, a class, a loss.") == 0
