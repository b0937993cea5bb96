"""Extraction chains on the texts models write."""

from __future__ import annotations

import time

import pytest

from heartloop.cards.verifier import Step
from heartloop.errors import CardError
from heartloop.grading import extract as ex


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{17}.", "17"),
        (r"\boxed{1}\boxed{2}", "1, 2"),
        (r"\boxed{-2} \quad \text{and} \quad \boxed{1}", "-2, 1"),
        (r"\boxed{1} no no no no no \boxed{2}", "2"),
        (r"\boxed{\boxed{7}}", "7"),
        (r"\fbox{3}", "3"),
        (r"\boxed 5", "5"),
        (r"\beginboxed{8\sqrt{6}}", r"8\sqrt{6}"),
        (r"first \boxed{1} then \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{}", None),
        (r"\boxed{1+\frac{1}{2}", None),
        ("no box", None),
    ],
)
def test_boxed(text, answer):
    assert ex.boxed(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is -80.", "-80"),
        ("So the answer is 3.5. Done.", "3.5"),
        ("Answer: **42**", "42"),
        ("**Final Answer:** $x = 3$.", "$x = 3$"),
        ("Final Answer: The final answer is $28 \\%$. I hope it is correct.", "$28 \\%$"),
        ("nothing here", None),
    ],
)
def test_answer_is(text, answer):
    found = ex.answer_is(text)
    assert (found[0] if found else None) == answer


def test_the_later_of_box_and_final_answer_counts():
    assert (
        ex.conclusion(r"\boxed{255} … Final Answer: The final answer is $10,455$.")[0] == "$10,455$"
    )
    assert ex.conclusion(r"The final answer is 3. No: \boxed{4}.")[0] == "4"


def test_a_problem_that_the_text_poses_itself_is_not_read():
    text = (
        "Therefore, the final answer is 400.\n"
        "If $x$ is a real number and $x^2 = 16$, what is the sum of all possible values of $x$? "
        r"The sum is \boxed{0}."
    )
    assert ex.conclusion(text)[0] == "400"
    doubt = (
        "The final answer is 400.\n"
        "But wait, what is the sum when we count both? It is \\boxed{500}."
    )
    assert ex.conclusion(doubt)[0] == "500"


def test_only_what_follows_the_last_think_block_is_visible():
    assert ex.visible_text("<think>\\boxed{1}</think> \\boxed{2}") == ("\\boxed{2}", False)
    assert ex.visible_text("<think>\\boxed{1}") == ("", True)
    assert ex.visible_text("\\boxed{1}</think>ok") == ("ok", False)


@pytest.mark.parametrize(
    ("text", "count", "letter"),
    [
        ("B", 4, "B"),
        ("(C)", 4, "C"),
        ("b", 4, "B"),
        ("B. Paris", 4, "B"),
        ("**D**", 4, "D"),
        (r"\text{(A)}", 4, "A"),
        ("option C is right", 4, "C"),
        ("a dog", 4, None),
        ("I think so", 9, None),
        ("E", 4, None),
        ("(A) or (B)", 4, None),
    ],
)
def test_choice_letter(text, count, letter):
    assert ex.choice_letter(text, count) == letter


def test_labels_strict_and_lenient():
    labels = ["valid", "invalid"]
    assert ex.find_label("Invalid.", labels) == "invalid"
    assert ex.find_label("it is invalid", labels) is None
    assert ex.find_label("not valid but invalid", labels, strict=False) == "invalid"
    assert ex.find_label("the argument is invalid", labels, strict=False) == "invalid"


def test_json_field_takes_the_last_object_that_has_it():
    text = 'first {"answer": 1} then {"answer": {"x": 2}} and {"other": 3}'
    assert ex.json_field(text, "answer") == '{"x": 2}'
    assert ex.json_field("{" * 500, "answer") is None


def test_positional_steps():
    assert ex.final_line("Steps\n\n- so\n**Answer: 12**\n") == "12"
    assert ex.final_line("x\n-\\frac{1}{2}") == "-\\frac{1}{2}"
    assert ex.last_number("from 3 to 1,234.5 and -7%") == "-7%"
    assert ex.last_math("we get $x=5$ so 7 apples") == "7"
    assert ex.last_math("7 apples so $x=5$ holds") == "$x=5$"[1:-1]
    assert ex.quoted('he said "yes" then “no”') == "no"


def test_an_unknown_step_is_refused_by_name():
    with pytest.raises(CardError, match='unknown step "boxxed"'):
        ex.check_steps([Step("boxxed")], "mine")
    with pytest.raises(CardError, match="not valid"):
        ex.check_steps([Step("regex", "(")], "mine")


def test_refusals_are_told_from_answers():
    assert ex.is_refusal("I'm sorry, but I can't help with that.")
    assert ex.is_refusal("As an AI, I have no opinion.")
    assert not ex.is_refusal("The train cannot arrive before 5, so it is 6.")


@pytest.mark.parametrize(
    "text",
    ["\\boxed{" * 6000, "final answer " * 3000, "\\[" * 20000, "$$ " * 13000, " " * 40000,
     "the answer is " * 2800, "{" * 40000, "\nQ " * 13000, "1," * 20000, "<think>" * 5000],
)  # fmt: skip
def test_extraction_is_quick_on_hostile_texts(text):
    started = time.perf_counter()
    visible, _ = ex.visible_text(text)
    for name in ex.STEPS:
        value = {"after": "answer is", "after_exact": "answer is ", "regex": "(x)"}.get(name)
        ex.run_chain([Step(name, value)], visible, ex.Context(("a", "b")))
    assert time.perf_counter() - started < 15
