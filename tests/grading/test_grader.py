"""The Grader's contract: outcomes told apart, both chains scored, no gold where none belongs."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.cards import list_cards, load_verifier
from heartloop.errors import CardError, UsageError
from heartloop.grading import extract as ex
from heartloop.grading import open_grader
from heartloop.grading.baselines import baselines_for
from heartloop.types import Completion, Gold, Question

QUESTION = Question("1", "t", 0, "What is 8 + 9?")


def grade(text, gold="17", verifier="math", finish="stop", question=QUESTION, **options):
    async def main():
        grader = open_grader(verifier, **options)
        try:
            golds = (gold,) if isinstance(gold, str) else tuple(gold)
            return await grader.grade(question, Gold("1", golds), Completion(text, finish))
        finally:
            await grader.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "finish", "outcome", "reason"),
    [
        (r"It is \boxed{17}", "stop", "correct", None),
        (r"It is \boxed{16}", "stop", "incorrect", None),
        ("", "stop", "unscored", "empty"),
        ("   \n", "stop", "unscored", "empty"),
        ("", "length", "unscored", "truncated"),
        ("<think>so \\boxed{17}", "stop", "unscored", "truncated"),
        ("8 + 9 makes", "length", "unscored", "truncated"),
        (r"It is \boxed{17} and further", "length", "correct", None),
        ("The answer is 17", "length", "unscored", "truncated"),
        ("The answer is 17. Because", "length", "correct", None),
        ("I'm sorry, I can't help with that.", "stop", "unscored", "refused"),
        ("Sums are lovely.", "stop", "unscored", "unparsed"),
        ("x", "content_filter", "unscored", "refused"),
    ],
)
def test_outcomes_are_told_apart(text, finish, outcome, reason):
    strict = grade(text, finish=finish).own
    assert (strict.outcome, strict.reason) == (outcome, reason)
    assert strict.detail


def test_reasoning_is_never_graded():
    assert grade(r"<think>\boxed{17}</think>\boxed{3}").own.answer == "3"
    completion = Completion("", "length", reasoning=r"\boxed{17}")

    async def main():
        return await open_grader("math").grade(QUESTION, Gold("1", ("17",)), completion)

    assert asyncio.run(main()).own.reason == "truncated"


def test_strict_and_content_are_both_scored():
    graded = grade("so we get 17")
    assert (graded.own.reason, graded.content.outcome) == ("unparsed", "correct")


def test_any_accepted_answer_is_right():
    assert grade(r"\boxed{1/2}", ("3", "0.5")).own.outcome == "correct"


def test_check_says_yes_or_no_and_same_sees_no_gold():
    async def main():
        grader = open_grader("math")
        try:
            gold = Gold("1", ("x+1",))
            assert await grader.check(QUESTION, gold, Completion(r"\boxed{1+x}")) is True
            assert await grader.check(QUESTION, gold, Completion(r"\boxed{x}")) is False
            assert await grader.check(QUESTION, gold, Completion("")) is False
            assert await grader.same("2x", "x+x", QUESTION)
            assert not await grader.same("2x", "x", QUESTION)
            assert grader.extract(r"thus \boxed{x+1}", QUESTION) == "x+1"
            assert grader.extract("nothing", QUESTION) is None
        finally:
            await grader.close()

    asyncio.run(main())


def test_grading_twice_gives_the_same_verdict():
    texts = [r"\boxed{x^2-1}", "the answer is (x-1)(x+1)", r"\boxed{(x-1)^2}", "no"]
    first = [grade(text, "x^2-1") for text in texts]
    assert first == [grade(text, "x^2-1") for text in texts]


def test_every_shipped_card_loads_and_names_known_steps():
    names = {ref.name for ref in list_cards("verifiers")}
    assert {
        "math", "choice", "choice_text", "choice_loglik", "exact", "bbh_direct", "bbh_cot",
        "ii_exact", "ii_f1", "ii_contains", "ii_set", "simpleqa", "truthfulqa", "judge",
        "numeric_range", "label", "set", "f1", "contains", "regex",
    } <= names  # fmt: skip
    for name in names:
        card = load_verifier(name)
        ex.check_steps((*card.strict, *card.form), name)
        open_grader(card)
        assert card.title and card.description


def test_a_card_with_an_unknown_step_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nkind: exact\nextract:\n  strict: [boxxed]\n")
    with pytest.raises(CardError, match="boxxed"):
        open_grader(str(path))
    path.write_text("name: mine\nkind: judge\njudge:\n  axes: {verdict: [A, B]}\n")
    with pytest.raises(CardError, match="judge.rules"):
        open_grader(str(path))
    with pytest.raises(UsageError):
        open_grader("no_such_verifier")


def test_loglik_cards_cannot_grade_a_text():
    with pytest.raises(CardError, match="choice_loglik"):
        grade("yes", "yes", "choice_loglik")


def test_bbh_cards():
    text = "Let's see. 2 < 3. So the answer is (B)."
    assert grade(text, "(B)", "bbh_cot").own.outcome == "correct"
    assert grade("(B)", "(B)", "bbh_direct").own.outcome == "correct"
    assert grade("(B) ", "(B)", "bbh_direct").own.outcome == "incorrect"
    assert grade("It is (B) indeed\nyes", "(B)", "bbh_cot").own.reason == "unparsed"


def test_baselines_are_graded_like_answers():
    questions = [
        Question(str(k), "t", k, f"word{k}", choices=("yes", "no"), meta={"raw_input": gold})
        for k, gold in enumerate(["yes", "yes", "no", "yes"])
    ]
    golds = {q.id: Gold(q.id, (q.meta["raw_input"],)) for q in questions}

    async def main():
        grader = open_grader("choice_text")
        return await baselines_for(questions, golds, grader, demos=("no", "yes"))

    expected = {"echo": 1.0, "majority": 0.75, "chance": 0.5, "random_demo": 0.75}
    assert asyncio.run(main()) == expected


@pytest.mark.parametrize(
    ("text", "finish", "read_by"),
    [
        ("\\boxed{141}", "stop", "own"),
        ("141", "stop", "content"),
        ("64 + 77 = 141.", "stop", "content"),
        ("64 + 77 = 142.", "stop", "content"),
        ("64 + 77 = 141", "length", None),
        ("First, 64 + 70 = 134. Then we add 7: 134 + 7 = 141. Now we have to", "length", None),
        ("Thank you! I am glad that you found it helpful.", "stop", None),
        ("My nose wrinkles at this as it would at sour milk.", "stop", None),
        ("", "stop", None),
        ("<think>\\boxed{141}", "length", None),
    ],
)
def test_an_answer_is_found_by_the_own_metric_or_by_content_alone(text, finish, read_by):
    answered = open_grader("math").answered(Completion(text, finish))
    assert asyncio.run(answered) == read_by


def test_a_judged_answer_is_read_as_it_stands():
    grader = open_grader("simpleqa", judge_ask=None)
    assert asyncio.run(grader.answered(Completion("Perhaps.", "stop"))) == "own"
