"""One sentence that says no more than the run's claim and its results can carry."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import LOOP_ARMS, make_run, phrase

from heartloop.analysis.contrasts import contrasts, sample
from heartloop.analysis.power import smallest_detectable
from heartloop.report import conclude
from heartloop.report.arms import load_run, pairs_within
from heartloop.report.clauses import reach
from heartloop.report.findings import findings
from heartloop.report.page import build_page
from heartloop.report.study import compare_specs, study
from heartloop.report.tables import render
from heartloop.run.claim import claim_dict, claim_of, read_claim
from heartloop.types import Arm

NONE = Arm("none", role="none")
PLACEBOS = tuple(Arm(f"P{i}", stimuli=(phrase(f"P{i}"),), role="placebo") for i in (1, 2))


def stimuli(count: int = 1) -> tuple[Arm, ...]:
    treated = tuple(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in range(count))
    return (NONE, *PLACEBOS, *treated)


def say(folder: Path, rates: dict[str, float], count: int = 1, questions: int = 400) -> str:
    all_rates = {"none": 0.5, "P1": 0.5, "P2": 0.5, "S0": 0.5, **rates}
    run = make_run(folder, arms=stimuli(count), rates=all_rates, questions=questions)
    return conclude(run.path)


def test_a_loop_has_three_contrasts_said_in_a_fixed_order(tmp_path: Path) -> None:
    varied = Arm("neutral-varied", "neutral-varied", params={"rounds": 3}, role="neutral-varied")
    reflect = Arm("reflect", "reflect", params={"rounds": 3}, role="reflect")
    run = make_run(tmp_path / "a", questions=300, rates={"heart": 0.02, "resample": 0.6},
                   arms=(*LOOP_ARMS, varied, reflect))  # fmt: skip
    sentence = conclude(run.path)
    places = [
        sentence.index(f"{name} ({pair}")
        for name, pair in (
            ("feeling", "heart − neutral-varied"),
            ("reflection", "reflect − neutral"),
            ("the loop", "heart − resample"),
        )
    ]
    assert places == sorted(places)
    assert "heart below resample" in sentence
    assert "Holm over the 3" in sentence
    assert "tokens" in sentence
    assert "better" not in sentence


def test_works_and_hurts_are_said_with_both_differences(tmp_path: Path) -> None:
    sentence = say(tmp_path / "a", {"S0": 0.8})
    assert sentence.startswith("S0 ")
    assert "for the plain prompt" in sentence
    assert "against its own placebo (two sentences" in sentence
    assert ": works" in sentence
    assert "is right more often by content" in sentence
    assert ": hurts" in say(tmp_path / "b", {"S0": 0.2})


def test_a_placebo_that_hurts_sells_no_stimulus(tmp_path: Path) -> None:
    sentence = say(tmp_path / "a", {"P1": 0.2, "P2": 0.2})
    assert "works" not in sentence
    assert "adding any sentence costs" in sentence
    # and where every sentence costs, the stimulus is below the plain prompt, and hurts no one
    costly = say(tmp_path / "b", {"P1": 0.2, "P2": 0.2, "S0": 0.2})
    assert "below the plain prompt" in costly
    assert "hurts" not in costly


def test_one_placebo_is_no_own_placebo(tmp_path: Path) -> None:
    arms = (NONE, PLACEBOS[0], *(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in range(3)))
    rates = {"none": 0.5, "P1": 0.5, "S0": 0.1, "S1": 0.5, "S2": 0.5}
    sentence = conclude(make_run(tmp_path / "a", arms=arms, rates=rates, questions=300).path)
    assert sentence.startswith("No phrase beats the plain prompt (")
    assert "S0 is below none and below the placebo" in sentence
    assert "one placebo was run" in sentence
    assert "so “own placebo” does not apply" in sentence
    assert "hurt" not in sentence


def test_without_a_placebo_feeling_is_not_told_from_any_sentence(tmp_path: Path) -> None:
    arms = (NONE, Arm("S0", stimuli=(phrase("S0"),)))
    rates = {"none": 0.4, "S0": 0.7}
    sentence = conclude(make_run(tmp_path / "a", arms=arms, rates=rates, questions=300).path)
    assert "above the plain prompt" in sentence
    assert "no placebo was run: feeling cannot be told from any added sentence" in sentence


def test_undecided_says_what_could_have_been_found(tmp_path: Path) -> None:
    small = say(tmp_path / "a", {}, questions=40)
    assert "undecided (this run could find about" in small
    same = make_run(tmp_path / "b", questions=4000, arms=(NONE, Arm("x")),
                    rates={"none": 0.4, "x": 0.4})  # fmt: skip
    assert "no difference beyond ±3 points" in conclude(same.path)


def test_the_best_of_several_is_quoted_with_a_simultaneous_interval(tmp_path: Path) -> None:
    rates = dict.fromkeys([f"S{i}" for i in range(10)], 0.5)
    sentence = say(tmp_path / "a", rates, count=10, questions=100)
    assert "No phrase beats the plain prompt" in sentence
    assert "best of 10 S" in sentence
    assert "simultaneous [" in sentence
    assert "Holm over 10 treatments" in sentence


def test_without_a_control_nothing_is_claimed(tmp_path: Path) -> None:
    sentence = conclude(make_run(tmp_path / "a", arms=LOOP_ARMS[:1]).path)
    assert "no control was run" in sentence


def test_what_is_no_real_experiment_is_named_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", model="pocket", practice=True)
    assert conclude(run.path).startswith("[PRACTICE SET; pocket, a tiny embedded model] heart")
    run = make_run(tmp_path / "b", model="server/mock")
    assert conclude(run.path).startswith("[SIMULATED] ")


def test_a_run_without_verdicts_concludes_nothing(tmp_path: Path) -> None:
    sentence = conclude(make_run(tmp_path / "a", unscored=0.95).path)
    assert sentence.startswith("no conclusion: ")


def test_no_room_is_said(tmp_path: Path) -> None:
    names = ("none", "P1", "P2", "S0")
    assert "no headroom: every arm is at 100 %" in say(tmp_path / "a", dict.fromkeys(names, 1.1))
    floor = say(tmp_path / "b", dict.fromkeys(names, -0.1))
    assert "no answer was ever right: check verifier, extraction and model" in floor


def test_a_folder_without_a_claim_says_so(tmp_path: Path) -> None:
    assert say(tmp_path / "a", {}).endswith("not fixed beforehand.")


def test_a_killed_run_says_so_in_its_headline_whatever_its_summary_says(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", questions=40)
    lines = (run.path / "verdicts.jsonl").read_text().splitlines(keepends=True)
    (run.path / "verdicts.jsonl").write_text("".join(lines[: len(lines) // 2]))
    manifest = run.manifest
    manifest["sessions"] = [{"started": "2026-01-01", "ended": None, "wall_s": 0.0}]
    run.write_manifest(manifest)
    assert conclude(run.path).startswith("[PARTIAL RUN, killed: ")
    found = study(pairs_within(load_run(run)), draws=100)
    assert any("PARTIAL RUN, killed" in note for note in found.notes)
    page = build_page([load_run(run)])
    assert page.count("PARTIAL RUN, killed") >= 2


def test_a_stopped_oracle_run_is_compared_at_a_stage_that_every_arm_has(tmp_path: Path) -> None:
    """Only solved questions of an arm that stops when right have ended: 100 % by construction."""
    arms = (LOOP_ARMS[0], LOOP_ARMS[1], NONE)
    run = make_run(tmp_path / "a", arms=arms, questions=60, rates={"heart": 0.3, "resample": 0.3})
    verdicts, unfinished = run.path / "verdicts.jsonl", run.path / "unfinished.jsonl"
    kept, open_ = [], []
    lines = [json.loads(raw) for raw in verdicts.read_text().splitlines()]
    solved = {x["question"] for x in lines if x["arm"] == "resample" and x["outcome"] == "correct"}
    for line in lines:
        stays_open = line["arm"] == "resample" and line["question"] not in solved
        if stays_open and line["draw"] == 3:
            continue  # its last draw was never asked
        ends = line["last"] or (stays_open and line["draw"] == 2)
        (open_ if stays_open else kept).append({**line, "last": ends})
    verdicts.write_text("".join(json.dumps(x) + "\n" for x in kept))
    manifest = run.manifest
    manifest["sessions"][-1] = {"started": "a", "ended": None, "wall_s": 1.0, "command": "x"}
    run.write_manifest(manifest)
    assert "no conclusion" in conclude(run.path)
    assert "heartloop score" in conclude(run.path)
    unfinished.write_text("".join(json.dumps(x) + "\n" for x in open_))
    sentence = conclude(run.path)
    assert sentence.startswith("[PARTIAL RUN, killed")
    assert "all arms compared at 150 tokens a question" in sentence  # three draws of 50
    assert f"resample had ended on {len(solved)} of 60" in sentence
    within = sum(
        any(x["question"] == q and x["draw"] < 3 and x["outcome"] == "correct" for x in lines
            if x["arm"] == "resample")
        for q in {x["question"] for x in lines}
    )  # fmt: skip
    assert f"right within its first 3 answers, which all have: {100 * within / 60:.1f}" in sentence
    assert "resample 100.0" not in sentence
    (row, *_) = compare_specs([run.name], tmp_path).rows  # compare reads the same stage
    assert row.control == "resample"
    assert row.questions == 60
    assert row.own_control == pytest.approx(within / 60)


def test_a_decided_run_carries_its_always_valid_interval_and_no_other(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", arms=stimuli(), rates={"S0": 0.8, "none": 0.5})
    why = (
        "decided: S0 is different after 40 questions (+30.0 points to none, always-valid interval "
        "[+1.0, +59.0])"
    )
    manifest = run.manifest
    manifest["sessions"][-1]["stopped"] = why
    run.write_manifest(manifest)
    sentence = conclude(run.path)
    assert why.removeprefix("decided: ") in sentence
    assert "no other interval holds" in sentence
    assert sentence.count("[") == sentence.count("[+1.0") + sentence.count("[PARTIAL")
    for word in ("works", "above", "undecided", "no conclusion"):
        assert word not in sentence
    found = compare_specs([run.name], tmp_path)
    assert not found.rows and not found.best
    assert why.removeprefix("decided: ") in render(found)


def test_the_verifier_chosen_for_an_own_table_is_in_the_claim_and_the_sentence(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path / "a", arms=stimuli(), rates={"S0": 0.8})
    old = claim_of(stimuli(), {"sums": "accuracy"})
    manifest = run.manifest
    named = claim_of(stimuli(), {"sums": "accuracy"}, verifier={"sums": "ii_exact"})
    manifest["claim"] = claim_dict(named)
    run.write_manifest(manifest)
    assert "answers read by ii_exact" in conclude(run.path)
    block = claim_dict(old)
    block.pop("verifier")  # blocks from before keep their hash
    run.write_manifest({**manifest, "claim": block})
    assert read_claim(run.manifest) == old
    assert "read by" not in conclude(run.path)


def test_words_that_also_ask_for_something_are_marked(tmp_path: Path) -> None:
    asks = dataclasses.replace(phrase("S0"), demand="effort")
    arms = (NONE, *PLACEBOS, Arm("S0", stimuli=(asks,)))
    rates = {"none": 0.5, "P1": 0.5, "P2": 0.5, "S0": 0.8}
    run = make_run(tmp_path / "a", arms=arms, rates=rates, questions=400)
    assert "words and what they ask for, not told apart: S0 (effort)" in conclude(run.path)


def test_an_arm_picked_afterwards_gets_no_word_and_the_interval_of_the_pick(
    tmp_path: Path,
) -> None:
    arms = stimuli(11)
    rates = {a.name: 0.5 for a in arms} | {"S3": 0.58}
    run = make_run(tmp_path / "a", arms=arms, rates=rates, questions=200)
    found = compare_specs([f"{run.name}:none", f"{run.name}:S3"], tmp_path)
    (row,) = found.rows
    assert row.picked == len(arms) - 1
    assert row.picked_low is not None and row.picked_low < row.difference.low
    text = render(found)
    assert "POST HOC, no word is said" in text
    assert "picked out of several arms" in text
    for word in ("works", "above", "below"):
        assert word not in text


def test_whether_the_words_arrived_stands_in_the_sentence(tmp_path: Path) -> None:
    arms = [
        Arm("none", role="none"),
        Arm("placebo", stimuli=(phrase("P", "placebo"),), role="placebo"),
        Arm("S1", stimuli=(phrase("S1"),)),
    ]
    one = make_run(tmp_path / "one", arms=arms, questions=60)
    said = "the words changed 100 % of the answers, a placebo 100 %: no more than any sentence does"
    assert said in conclude(one.path)
    several = make_run(tmp_path / "two", arms=[*arms, Arm("S2", stimuli=(phrase("S2"),))])
    said = "none of 2 phrases left more in the answers than a placebo (100 % changed)"
    assert said in conclude(several.path)

    def same(question: str, arm: str, number: int, right: bool) -> str:
        return f"{'so ' * 60}\\boxed{{{question if right else 'wrong'}}}"

    rates = {"none": 0.0, "placebo": 1.0, "S1": 0.0}
    unread = make_run(tmp_path / "unread", arms=arms, rates=rates, text=same)
    assert "nothing in the answers shows that the words were read" in conclude(unread.path)


def test_hardly_anything_that_differs_promises_no_fine_sight() -> None:
    none = Arm("none", role="none")
    claim = claim_of([none, Arm("S", stimuli=(phrase("S"),))], {"t": "accuracy"})
    own = np.zeros((2, 60))
    own[1, :2] = 1.0  # two of 60 questions differ
    (few,) = contrasts(sample(own), [[1.0, -1.0]])
    planned = smallest_detectable(60, 0.03)  # by simulation-tested power, not by this formula
    assert planned is not None
    assert reach(few, claim, 1, 60) == pytest.approx(planned, abs=0.012)
    assert reach(few, claim, 1, 60) > 1.5 * 2.8 * few.se
    own = (np.random.default_rng(0).random((2, 2000)) < 0.5).astype(float)
    (many,) = contrasts(sample(own), [[1.0, -1.0]])
    assert reach(many, claim, 1, 2000) == pytest.approx(2.8 * many.se, rel=0.01)


def test_one_of_many_placebos_that_strays_by_chance_is_no_news(tmp_path: Path) -> None:
    """What is said of placebos is picked from all of them, so the intervals hold for all."""
    treated = Arm("S0", stimuli=(phrase("S0"),))
    widths = []
    for count in (1, 12):
        placebos = [Arm(f"P{i}", stimuli=(phrase(f"P{i}"),), role="placebo") for i in range(count)]
        run = make_run(tmp_path / f"r{count}", arms=[NONE, *placebos, treated], questions=100)
        (unit,) = findings(load_run(run))[0].units
        first = unit.controls["P0"]
        widths.append((first.high - first.low) / first.se)
    assert widths[0] < 4.2 < 5 < widths[1]  # two times 2.0 and 2.9 standard errors


def test_at_the_floor_nothing_is_ruled_out(tmp_path: Path) -> None:
    floor = {"none": 0.0, "P1": 0.0, "P2": 0.0, "S0": 0.004}
    sentence = say(tmp_path / "a", floor, questions=200)
    assert "there was little room for any difference" in sentence
    assert "the control is at the floor" in sentence
    for words in ("ruled out", "could find"):
        assert words not in sentence
    assert "ruled out" in say(tmp_path / "b", {}, questions=200)
