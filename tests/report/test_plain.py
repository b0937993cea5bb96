"""The headline in a person's words says no more than the findings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import LOOP_ARMS, make_run, phrase

from heartloop.report.arms import load_run
from heartloop.report.findings import findings
from heartloop.report.plain import headline
from heartloop.report.ranking import MOST, chosen, ranked, short_word
from heartloop.run.claim import read_claim
from heartloop.types import Arm

NONE = Arm("none", role="none")
AGAIN = Arm("again", role="again")
PLACEBOS = tuple(
    Arm(f"placebo-{i}", stimuli=(phrase(f"P{i}", "placebo"),), role="placebo") for i in (1, 2)
)


def arms(*names: str) -> tuple[Arm, ...]:
    return (NONE, AGAIN, *PLACEBOS, *(Arm(n, stimuli=(phrase(n),)) for n in names))


def said(folder: Path, **options: Any) -> str:
    run = load_run(make_run(folder, **options))
    return headline(findings(run), read_claim(run.manifest))


RATES = {"none": 0.4, "again": 0.4, "placebo-1": 0.4, "placebo-2": 0.4}


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"S": 0.75}, "S makes the model better."),
        ({"S": 0.1}, "S does not beat the plain prompt. S makes it worse."),
        ({"S": 0.42}, "Whether S helps cannot be told from this run."),
    ],
)
def test_one_phrase(tmp_path: Path, rates: dict[str, float], expected: str) -> None:
    found = said(tmp_path / "a", arms=arms("S"), rates={**RATES, **rates}, questions=300)
    assert found == expected


def test_many_phrases_name_those_with_a_word(tmp_path: Path) -> None:
    rates = {**RATES, "A": 0.4, "B": 0.05, "C": 0.42}
    found = said(tmp_path / "a", arms=arms("A", "B", "C"), rates=rates, questions=300)
    assert found == "No phrase beats the plain prompt. B makes it worse."


def test_loops_ask_three_questions(tmp_path: Path) -> None:
    found = said(tmp_path / "a", arms=LOOP_ARMS, rates={"heart": 0.9, "resample": 0.3})
    assert "The loop helps (heart above resample)." in found


def test_what_several_arms_ask_is_said_once(tmp_path: Path) -> None:
    (heart,) = (arm for arm in LOOP_ARMS if arm.name == "heart")
    both = (*LOOP_ARMS, dataclasses.replace(heart, name="heart2"))
    found = said(tmp_path / "a", arms=both, rates={})
    assert found.startswith("Whether ") and found.count("the loop") == 1


def test_nothing_right_is_said(tmp_path: Path) -> None:
    rates = dict.fromkeys([*RATES, "S"], 0.0)
    assert said(tmp_path / "a", arms=arms("S"), rates=rates).startswith("No answer was ever right")


def test_a_short_table_has_references_ends_and_words(tmp_path: Path) -> None:
    names = [f"S{i:02d}" for i in range(20)]
    rates = {**RATES, **dict.fromkeys(names, 0.4), "S07": 0.05, "S03": 0.8}
    run = load_run(make_run(tmp_path / "a", arms=arms(*names), rates=rates, questions=200))
    unit = findings(run)[0].units[0]
    every = ranked(unit)
    rows = chosen(every)
    assert len(every) == 24
    assert len(rows) == MOST
    assert [r.arm for r in rows[:4]] == ["none", "again", "placebo-1", "placebo-2"]
    tested = [r for r in rows if r.treatment and r.difference]
    assert tested[0].arm == "S03"
    assert tested[-1].arm == "S07"
    effects = [r.difference.estimate for r in tested if r.difference]
    assert effects == sorted(effects, reverse=True)
    words = {short_word(r.treatment, read_claim(run.manifest)) for r in tested if r.treatment}
    assert {"works", "hurts"} <= words
    assert max(map(len, words)) <= 20
