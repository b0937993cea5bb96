"""One sentence that says no more than the run can carry."""

from __future__ import annotations

from pathlib import Path

from synthetic_run import LOOP_ARMS, make_run, phrase

from heartloop.report import conclude
from heartloop.report.arms import load_run, pairs_within
from heartloop.report.page import build_page
from heartloop.report.study import compare_specs, study
from heartloop.types import Arm


def test_a_loop_is_held_against_resampling_and_then_against_no_feeling(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", questions=300, rates={"heart": 0.02, "resample": 0.6})
    sentence = conclude(run.path)
    assert sentence.startswith("heart ")
    assert " % vs resample " in sentence
    assert "heart is worse" in sentence
    assert "against the same without feeling (neutral" in sentence
    assert "95 % CI, 300 questions" in sentence


def test_no_effect_is_a_finding_only_where_the_interval_is_narrow(tmp_path: Path) -> None:
    small = conclude(make_run(tmp_path / "a", questions=40).path)
    assert "undecided (this run could find about" in small
    same = make_run(tmp_path / "b", questions=600, rates=dict.fromkeys("abc", 0.4), mode="oracle",
                    arms=(Arm("x"), Arm("p", role="placebo")))  # fmt: skip
    assert "no difference beyond ±3 points" in conclude(same.path)


def test_without_a_control_nothing_is_claimed(tmp_path: Path) -> None:
    sentence = conclude(make_run(tmp_path / "a", arms=LOOP_ARMS[:1]).path)
    assert "no control was run" in sentence
    assert "better" not in sentence


def test_what_is_no_real_experiment_is_named_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", model="pocket", practice=True)
    assert conclude(run.path).startswith("[PRACTICE SET; pocket, a tiny embedded model] heart")
    run = make_run(tmp_path / "b", model="server/mock")
    assert conclude(run.path).startswith("[SIMULATED] ")


def test_a_run_without_verdicts_concludes_nothing(tmp_path: Path) -> None:
    sentence = conclude(make_run(tmp_path / "a", unscored=0.95).path)
    assert sentence.startswith("no conclusion: ")


def test_several_stimuli_are_reported_without_the_winners_curse(tmp_path: Path) -> None:
    arms = (Arm("none", role="none"), Arm("placebo", stimuli=(phrase("P"),), role="placebo"))
    arms += tuple(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in range(10))
    sentence = conclude(make_run(tmp_path / "a", arms=arms, questions=100).path)
    assert sentence.startswith("10 arms vs placebo")
    assert "none better, none worse" in sentence
    assert "on the questions that chose it" in sentence
    assert "cross-fitted" in sentence


def test_the_sentence_and_the_table_give_the_same_verdict(tmp_path: Path) -> None:
    # A p-value under .05 that Holm over all rows of the table takes back.
    for seed in range(6):
        rates = {"heart": 0.3 + 0.03 * seed}
        run = make_run(tmp_path / str(seed), questions=150, rates=rates, mode="verifier-free")
        row = compare_specs([str(seed)], tmp_path).rows[0]
        word = {"equivalent": "no difference"}.get(row.comparison.verdict, row.comparison.verdict)
        assert word in conclude(run.path).split("; against")[0]


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
