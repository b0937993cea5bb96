"""Pairs and task files go one way: the same text has the same verdict by both."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import grade_pairs, open_grader
from heartloop.types import Completion, Gold, Question

CHOICES = ["Red panda", "Blue whale", "Green frog", "Yellow bird"]


@pytest.mark.parametrize("text", ["Green frog", "Answer: C because frogs are green.", "It's C."])
def test_a_choice_has_one_verdict_by_pair_and_by_question(text: str) -> None:
    pair = {"gold": "C", "prediction": text, "choices": CHOICES, "prediction_kind": "response"}
    assert grade_pairs("choice", [pair])[0]["verdict"] == "correct"

    async def asked() -> str:
        grader = open_grader("choice")
        question = Question("1", "t", 0, "Which?", choices=tuple(CHOICES))
        graded = await grader.grade(question, Gold("1", ("C",)), Completion(text))
        return graded.content.outcome

    assert asyncio.run(asked()) == "correct"


def test_a_short_choice_text_needs_no_kind() -> None:
    pair = {"gold": "C", "prediction": "Green frog", "choices": CHOICES}
    assert grade_pairs("choice", [pair])[0]["verdict"] == "correct"


def test_a_gold_as_gsm8k_publishes_it_is_its_last_line() -> None:
    gold = "3+4=<<3+4=7>>7\n#### 7"
    right, wrong = grade_pairs(
        "math", [{"gold": gold, "prediction": "7"}, {"gold": gold, "prediction": "3"}]
    )
    assert (right["verdict"], wrong["verdict"]) == ("correct", "incorrect")


@pytest.mark.parametrize(
    ("choices", "box", "letter"),
    [
        (["2.0 g", "3.5 g", "17.5 g", "35 g"], r"\boxed{3.5 \, \text{g}}", "B"),
        (["9 s", "7 s", "0.5 s", "1 s"], r"\boxed{7 \, \text{s}}", "B"),
        (["1,012", "1,734", "3,156", "4,020"], r"\boxed{3156}", "C"),
        (["14 apples", "45 apples", "21 apples", "63 apples"], r"\boxed{45}", "B"),
        (["10^45 W/m", "10^41 W/m", "10^47 W/m", "10^43 W/m"], r"\boxed{10^{43} \text{ W/m}}", "D"),
        (["7x^2 + 9", "–7x^2 + 8", "–7x^2 + 31", "–49x^2"], r"\boxed{-7x^2 + 31}", "C"),
        (["None", "One", "Three", "Six"], r"\boxed{6}", "D"),
        (["3.04*1e-5 m", "3.04*1e-7 m", "1e-5 m"], r"\boxed{3.04 \times 10^{-5} \, \text{m}}", "A"),
    ],
)
def test_a_choice_is_known_by_its_value(choices: list[str], box: str, letter: str) -> None:
    pairs = [
        {"gold": name, "prediction": box, "choices": choices, "prediction_kind": "response"}
        for name in "ABCD"[: len(choices)]
    ]
    found = grade_pairs("choice", pairs)
    assert [p["gold"] for p, f in zip(pairs, found, strict=True) if f["verdict"] == "correct"] == [
        letter
    ]


def test_a_free_letter_may_have_another_name_where_the_question_is_given() -> None:
    line = (r"(-17 + 2x, 41 - 7x)", r"(-17 + 2t, 41 - 7t)")
    rows = [
        ("5+7C", "5+7c", "correct"),
        (*line, "incorrect"),
        ("5+7C", "5+8c", "incorrect"),
        ("(5,6),(7,8)", "(5,6),(7,8),(5,6)", "correct"),
        ("2x+3y", "2y+3x", "incorrect"),
    ]
    found = grade_pairs("math", [{"gold": g, "prediction": p} for g, p, _ in rows])
    assert [f["verdict"] for f in found] == [wanted for _, _, wanted in rows]
    asked = {"gold": line[0], "prediction": line[1], "question": "Give all integer solutions."}
    assert grade_pairs("math", [asked])[0]["verdict"] == "correct"


@pytest.mark.parametrize(
    ("verifier", "gold", "text", "outcome"),
    [
        ("math", "42", "The answer is 42 (see above, where we found 17).", "correct"),
        ("math", "17", "The answer is 42 (see above, where we found 17).", "incorrect"),
        ("math", r"\boxed{y>5}", "|y|>5", "incorrect"),
        ("math", "14", "Antwort: 3,14", "incorrect"),
        ("math", "3.14", "Antwort: 3,14", "correct"),
        ("choice", "C", "Answer: B. Answer: C. Both are acceptable.", "unscored"),
    ],
)
def test_a_remark_a_side_or_a_second_letter_changes_nothing(
    verifier: str, gold: str, text: str, outcome: str
) -> None:
    pair = {"gold": gold, "prediction": text, "prediction_kind": "response", "choices": CHOICES}
    if verifier == "math":
        del pair["choices"]
    assert grade_pairs(verifier, [pair])[0]["verdict"] == outcome


def test_a_choice_that_was_cut_is_no_answer() -> None:
    async def asked() -> str | None:
        grader = open_grader("choice")
        question = Question("1", "t", 0, "Which?", choices=tuple(CHOICES))
        cut = Completion("The answer is B", finish_reason="length")
        return (await grader.grade(question, Gold("1", ("B",)), cut)).own.reason

    assert asyncio.run(asked()) == "truncated"


@pytest.mark.parametrize(
    ("verifier", "gold", "text", "outcome"),
    [
        ("ii_exact", "61", "Output: -61", "incorrect"),
        ("ii_exact", "61", "\u221261", "incorrect"),
        ("ii_exact", "-61", "61", "incorrect"),
        ("ii_exact", "-61", "\u221261", "correct"),
        ("math", "(3,1)", r"\boxed{\text{None}}", "incorrect"),
        ("math", "(5, 2), (3,1)", r"\boxed{\emptyset}", "incorrect"),
        ("math", "no solution", r"\boxed{(3,1)}", "incorrect"),
        ("choice", "A", "The correct answer is not (A).", "unscored"),
        ("choice", "A", r"\boxed{\text{not red panda}}", "unscored"),
        ("choice", "A", "Red panda is possible, but the answer is none of these.", "unscored"),
    ],
)
def test_a_sign_an_empty_set_and_a_denial_count(
    verifier: str, gold: str, text: str, outcome: str
) -> None:
    pair = {"gold": gold, "prediction": text, "prediction_kind": "response"}
    if verifier == "choice":
        pair["choices"] = CHOICES
    assert grade_pairs(verifier, [pair])[0]["verdict"] == outcome
