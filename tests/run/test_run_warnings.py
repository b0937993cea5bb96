"""Warnings appear where they are due, and only there."""

from __future__ import annotations

from typing import Any

from heartloop.run.warnings import warnings_for

MANIFEST: dict[str, Any] = {
    "plan": {"seeds": [0], "sampling": {}},
    "tasks": [{"task": "t", "metric_low": 0.5, "chance": None, "sampling": {"temperature": 0.7}}],
}


def arm(name: str, role: str = "treatment", **changes: Any) -> dict[str, Any]:
    row = {
        "task": "t", "model": "m", "arm": name, "role": role, "trials": 200, "accuracy": 0.6,
        "accuracy_content": 0.6, "score": None, "unscored": {}, "error": 0, "attempts": 200,
        "cap_hits": 0,
    }  # fmt: skip
    return row | changes


def warn(*rows: dict[str, Any], **manifest: Any) -> list[str]:
    return warnings_for({"arms": list(rows)}, {**MANIFEST, **manifest})


CLEAN = (arm("heart"), arm("resample", "resample"))


def test_a_clean_run_has_no_warnings() -> None:
    assert warn(*CLEAN) == []


def test_accuracy_below_chance() -> None:
    assert "below chance: heart" in warn(arm("heart", accuracy=0.3), CLEAN[1])[0]
    assert warn(arm("heart", accuracy=0.47), CLEAN[1]) == []  # within the noise of a coin


def test_arms_that_differ_in_unscored_answers() -> None:
    found = warn(arm("heart", unscored={"empty": 19}), CLEAN[1])
    assert found == [
        "arms differ in unscored answers: heart 9.5%, resample 0.0%; "
        "read 'of scored' beside 'of all'"
    ]


def test_cap_hits_and_errors() -> None:
    found = warn(arm("heart", cap_hits=5, error=4), CLEAN[1])
    assert len(found) == 2
    assert "cut at max_tokens (up to 2.5%): heart" in found[1]
    assert warn(arm("heart", cap_hits=4, error=2), CLEAN[1]) == []


def test_conclusions_that_flip_with_the_grading() -> None:
    found = warn(arm("heart", accuracy=0.65, accuracy_content=0.66),
                 arm("resample", "resample", accuracy_content=0.72))  # fmt: skip
    assert found == [
        "the sign changes with the reading: heart against resample is +5.0 points by the task's "
        "own metric, -6.0 by content"
    ]


def test_one_line_a_kind_with_a_count_and_nothing_within_its_noise() -> None:
    rows = [
        arm(f"EP{i:02}", accuracy=0.65, accuracy_content=0.55 - 0.01 * i, task=f"t{task}")
        for i in range(20)
        for task in range(3)
    ]
    rows += [arm("none", "none", accuracy_content=0.72, task=f"t{task}") for task in range(3)]
    (line,) = [w for w in warn(*rows) if "the sign changes with the reading" in w]
    assert line.startswith("the sign changes with the reading: EP19 against none")
    assert line.endswith("(and 19 more arms)")
    small = [arm("EP01", accuracy=0.61, accuracy_content=0.59, trials=60, n=60),
             arm("none", "none", accuracy_content=0.60, trials=60, n=60)]  # fmt: skip
    assert not [w for w in warn(*small) if "the sign changes" in w]


def test_no_control_and_no_matched_control() -> None:
    assert "no control was run" in warn(arm("heart"))[0]
    assert "no matched control" in warn(arm("EP01"), arm("none", "none"))[0]


def test_greedy_seeds_are_one_run_repeated() -> None:
    tasks = [{**MANIFEST["tasks"][0], "sampling": {"temperature": 0}}]
    found = warn(*CLEAN, plan={"seeds": [0, 1, 2], "sampling": {}}, tasks=tasks)
    assert "3 seeds of t are one run repeated" in found[0]
    assert warn(*CLEAN, plan={"seeds": [0, 1, 2], "sampling": {}}) == []
