"""What ``compare`` computes, against counts made by hand and scipy."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import binomtest
from synthetic_run import LOOP_ARMS, make_run, phrase

from heartloop.errors import UsageError
from heartloop.report.arms import find_entry, load_run, pairs_within
from heartloop.report.study import compare_specs
from heartloop.report.tables import render
from heartloop.run.results import load_results
from heartloop.types import Arm

STIMULI = (
    Arm("none", role="none"),
    Arm("placebo", stimuli=(phrase("P", "placebo"),), role="placebo"),
    *(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in range(1, 5)),
)


def test_a_run_alone_is_compared_with_its_controls_strictest_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", rates={"heart": 0.5})
    found = compare_specs(["a"], tmp_path)
    assert [r.control for r in found.rows] == ["resample", "neutral", "single"]
    assert {r.arm for r in found.rows} == {"heart"}
    results = {r.arm: r.outcomes[:, 0] == 1 for r in load_results(run)}
    row = found.rows[1]
    gained = int((results["heart"] & ~results["neutral"]).sum())
    lost = int((~results["heart"] & results["neutral"]).sum())
    assert row.counts is not None
    assert (row.counts.table.only_a, row.counts.table.only_b) == (gained, lost)
    assert row.difference.estimate == pytest.approx((gained - lost) / 40)
    assert row.counts.mcnemar is not None
    exact = binomtest(min(gained, lost), gained + lost).pvalue
    assert row.counts.mcnemar.p == pytest.approx(exact, abs=1e-9)
    assert all(r.compared.p_holm >= r.p_bh >= r.difference.p for r in found.rows)


def test_where_no_question_differs_that_is_said(tmp_path: Path) -> None:
    arms = (STIMULI[0], STIMULI[2])
    make_run(tmp_path / "a", arms=arms, rates={"none": 0.0, "S1": 0.0})
    (row,) = compare_specs(["a"], tmp_path).rows
    assert "no question differs: little can be said" in row.notes


def test_a_phrase_is_set_against_its_own_controls_alone(tmp_path: Path) -> None:
    short, long_ = phrase("S1"), phrase("S2")
    arms = (
        Arm("none", role="none"),
        Arm("S1", stimuli=(short,)),
        Arm("S2", stimuli=(long_,)),
        Arm("P-short", stimuli=(phrase("P-short", "placebo"),), role="placebo", of=("S1",)),
        Arm("DO-S2", stimuli=(phrase("DO-S2", "demand-only"),), role="demand-only", of=("S2",)),
    )
    run = load_run(make_run(tmp_path / "a", arms=arms, rates={}))

    def names(every: bool) -> set[tuple[str, str]]:
        return {(p.arm.arm, p.control.arm) for p in pairs_within(run, every)}

    own = {("S1", "P-short"), ("S1", "none"), ("S2", "DO-S2"), ("S2", "none")}
    assert names(every=False) == own
    assert names(every=True) == own | {("S1", "DO-S2"), ("S2", "P-short")}


def test_equal_tokens_cut_the_dearer_arm_to_what_the_cheaper_spent(tmp_path: Path) -> None:
    make_run(tmp_path / "a", questions=300)
    row = compare_specs(["a"], tmp_path).rows[0]
    assert row.tokens_arm > 1.3 * row.tokens_control
    equal, decoded = row.equal  # no price is known, so there are no dollars
    assert equal.unit == "tokens" and equal.cut == "arm"
    assert equal.ratio == pytest.approx(1, abs=0.25)
    assert equal.spent_control == pytest.approx(row.tokens_control)
    assert decoded.unit == "completion tokens"
    assert decoded.spent_control == pytest.approx(30 * row.calls_control)
    assert equal.difference.estimate < row.difference.estimate


def test_equal_dollars_weigh_what_was_read_and_what_was_written(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("server/synthetic: {prompt: 1000, completion: 4000}\n")  # a million tokens
    make_run(tmp_path / "a", questions=300, prices=prices)
    row = compare_specs(["a"], tmp_path).rows[0]
    tokens, decoded, dollars = row.equal
    assert (decoded.unit, dollars.unit) == ("completion tokens", "dollars")
    # A draw reads 20 tokens and writes 30; a round of the loop reads the dialogue before it.
    assert dollars.spent_control == pytest.approx((20 * 0.001 + 30 * 0.004) * row.calls_control)
    assert decoded.spent_control == pytest.approx(30 * row.calls_control)
    assert [e.ratio for e in row.equal] == pytest.approx([1, 1, 1], abs=0.25)
    assert {e.cut for e in row.equal} <= {"arm", "control", "neither"}
    assert tokens.cap is not None and tokens.cut == "arm"  # the dearer in tokens
    text = render(compare_specs(["a"], tmp_path))
    assert "dollars" in text and f"${dollars.spent_control:.6f}" in text


def test_the_first_run_named_is_what_the_others_are_compared_to(tmp_path: Path) -> None:
    make_run(tmp_path / "old", rates={"heart": 0.1})
    make_run(tmp_path / "new", rates={"heart": 0.6})
    between = compare_specs(["old", "new"], tmp_path)
    assert [(r.arm, r.control) for r in between.rows] == [
        (f"new:{a.name}", f"old:{a.name}") for a in LOOP_ARMS
    ]
    assert between.rows[0].difference.estimate > 0.2
    within = compare_specs(["new:single", "new:heart"], tmp_path)
    assert within.rows[0].difference.estimate > 0.3
    assert (within.rows[0].arm, within.rows[0].control) == ("heart", "single")


def test_questions_that_only_one_run_has_are_left_out_and_said(tmp_path: Path) -> None:
    make_run(tmp_path / "few", questions=30)
    make_run(tmp_path / "many", questions=40)
    row = compare_specs(["few:heart", "many:heart"], tmp_path).rows[0]
    assert row.questions == 30
    assert row.difference.estimate == 0
    assert "10 questions are in one of them only and left out" in row.notes


def test_runs_that_differ_are_refused_by_name_and_forced_with_a_word(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", sha="1" * 64, temperature=1.0)
    with pytest.raises(UsageError, match=r"b: data of sums: dddd.* and 1111.*sampling of sums"):
        compare_specs(["a", "b"], tmp_path)
    forced = compare_specs(["a", "b"], tmp_path, force=True)
    assert len(forced.forced) == 2
    assert "FORCED" in render(forced)
    make_run(tmp_path / "other", tasks=["else"])
    with pytest.raises(UsageError, match="share no task"):
        compare_specs(["a", "other"], tmp_path, force=True)


def test_practice_and_real_data_are_not_compared(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", practice=True)
    with pytest.raises(UsageError, match="real data and practice set"):
        compare_specs(["a", "b"], tmp_path)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"frozen_seeds": True}])
def test_repeated_greedy_runs_are_not_replicates(tmp_path: Path, options: dict) -> None:
    make_run(tmp_path / "a", seeds=(0, 1, 2), **options)
    row = compare_specs(["a"], tmp_path).rows[0]
    assert row.seeds == 1
    assert any("not replicates" in note for note in row.notes)


def test_seeds_that_differ_are_clusters_of_their_question(tmp_path: Path) -> None:
    make_run(tmp_path / "a", seeds=(0, 1, 2))
    row = compare_specs(["a"], tmp_path).rows[0]
    assert (row.seeds, row.clusters) == (3, 40)
    assert row.counts is not None and row.counts.mcnemar is None


def test_the_best_of_several_stimuli_is_shown_with_a_held_out_estimate(tmp_path: Path) -> None:
    make_run(tmp_path / "a", arms=STIMULI, questions=200, tasks=["x", "y"], suite="xy")
    found = compare_specs(["a"], tmp_path, control="placebo")
    assert [r.unit for r in found.rows] == ["xy"] * 4
    best = found.best[0].best
    assert best.selected_maximum > best.cross_fitted.gain
    assert found.classes[0].wordings == ("S1", "S2", "S3", "S4")
    assert found.classes[0].sample == "tasks"
    assert found.rows[0].tasks == 2
    text = render(found)
    assert "selected maximum, biased upwards" in text
    assert "own metric: accuracy, mean of 2 tasks" in text


def test_tasks_that_are_no_suite_are_compared_one_by_one_as_one_family(tmp_path: Path) -> None:
    make_run(tmp_path / "a", arms=STIMULI, questions=40, tasks=["x", "y"])
    found = compare_specs(["a"], tmp_path)
    assert len(found.rows) == 2 * 2 * 4
    assert {r.unit for r in found.rows} == {"x", "y"}
    assert "Holm (BH) over 16 rows" in render(found)
    assert "y: S1 − none" in render(found)


def test_partial_credit_is_compared_as_partial_credit(tmp_path: Path) -> None:
    graded = {"none": 0.5, "placebo": 0.5, "S1": 0.8, "S2": 0.5, "S3": 0.5, "S4": 0.5}
    make_run(tmp_path / "a", arms=STIMULI, questions=60, metric="f1", scores=graded)
    rows = {(r.arm, r.control): r for r in compare_specs(["a"], tmp_path).rows}
    row = rows["S1", "none"]
    assert row.metric == "f1"
    assert (row.own_arm, row.own_control) == pytest.approx((0.8, 0.5), abs=0.02)
    assert row.difference.estimate == pytest.approx(0.3, abs=0.02)  # no answer is quite right
    assert row.counts is None and rows["S2", "none"].counts is None
    text = render(compare_specs(["a"], tmp_path))
    assert "own metric: f1" in text and "McNemar" not in text


def test_a_conclusion_that_flips_with_the_grading_is_flagged(tmp_path: Path) -> None:
    make_run(
        tmp_path / "a",
        questions=300,
        rates={"heart": 0.15},
        mode="verifier-free",
        content={"heart": 0.7},
    )
    rows = {r.control: r for r in compare_specs(["a"], tmp_path).rows}
    assert rows["single"].flips
    assert "different conclusions" in render(compare_specs(["a"], tmp_path))


def test_errors_name_what_there_is(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "alone", arms=LOOP_ARMS[:1])
    with pytest.raises(UsageError, match="has no arm 'hart'; it has heart, resample"):
        compare_specs(["a:hart"], tmp_path)
    with pytest.raises(UsageError, match="single arm"):
        compare_specs(["alone"], tmp_path)
    with pytest.raises(UsageError, match="is a control"):
        compare_specs(["a:single"], tmp_path)
    with pytest.raises(UsageError, match="no such control"):
        compare_specs(["a"], tmp_path, control="x")
    with pytest.raises(UsageError, match="no run 'zzz'"):
        compare_specs(["zzz"], tmp_path)


def test_a_path_and_an_arm_may_hold_colons(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a:b", questions=3)
    folder, arm = find_entry(f"{run.path}:x:y", tmp_path)
    assert (folder.path, arm) == (run.path, "x:y")


def test_markdown_rows_have_as_many_cells_as_heads(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    blocks = render(compare_specs(["a"], tmp_path), markdown=True).split("\n\n")
    tables = [b.splitlines() for b in blocks if b.startswith("|")]
    assert len(tables) >= 4
    for lines in tables:
        assert len({line.count(" | ") for line in lines}) == 1
