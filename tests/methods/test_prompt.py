"""Where a stimulus goes in the first prompt, and that it is never glued to its neighbours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from method_fakes import question

from heartloop.methods import older_defaults, render
from heartloop.methods.prompt import append_to_last, join
from heartloop.types import PLACEMENTS, Arm, Demo, Message, Stimulus

EP02 = Stimulus("EP02", "emotionprompt", "This is very important to my career.", "x")
AB, CD = Demo("A ->", "B", "A -> B"), Demo("C ->", "D", "C -> D")
EP01 = Stimulus("EP01", "emotionprompt", "Write your answer.", "x", joiner=", ")


def only(messages: tuple[Message, ...]) -> str:
    assert len(messages) == 1
    return messages[0].content


def test_parts_stand_in_order_and_empty_ones_leave_no_gap():
    full = question(instruction="Do it.", demos=(AB, CD), input="E ->")
    assert only(render(full)) == ("Do it.\n\nA -> B\n\nC -> D\n\nE ->\n\nEnd with \\boxed{ANSWER}.")
    assert only(render(question(instruction="", answer_format=""))) == "Problem 0: what is it?"


def test_after_instruction_stands_before_the_demonstrations():
    text = only(render(question(demos=(AB,)), (EP02,)))
    assert text.startswith("Solve the problem. This is very important to my career.\n\nA -> B")


def test_without_an_instruction_the_stimulus_takes_its_place():
    text = only(render(question(instruction="", input="Q: 1+1\nA:", answer_format=""), (EP02,)))
    assert text == "This is very important to my career.\n\nQ: 1+1\nA:"


def test_after_input_leaves_a_bare_answer_prefix_last():
    text = only(render(question(input="Q: 1+1\nA:"), (EP02,), "after_input"))
    assert "Q: 1+1 This is very important to my career.\nA:\n\nEnd with" in text
    plain = only(render(question(), (EP02,), "after_input"))
    assert "what is it? This is very important to my career.\n\nEnd with" in plain


def test_before_and_system():
    assert only(render(question(), (EP02,), "before")).startswith(EP02.text + " Solve the problem.")
    system, user = render(question(system="You are kind."), (EP02,), "system")
    assert system == Message("system", "You are kind. " + EP02.text)
    assert user.content == only(render(question()))
    assert render(question(), (EP02,), "system")[0] == Message("system", EP02.text)


def test_ep01_is_joined_as_published_whatever_ends_the_instruction():
    asked = only(render(question(instruction="It is positive or negative."), (EP01,)))
    assert asked.startswith("It is positive or negative., write your answer.\n")
    asked = only(render(question(instruction="What is it?"), (EP01,)))
    assert asked.startswith("What is it?, write your answer.")
    assert only(render(question(instruction="Solve"), (EP01,))).startswith("Solve, write")


def test_a_comma_leaves_i_and_capitals_as_they_are():
    assert join("Go.", ", ", "I am here.") == "Go., I am here."
    assert join("Go.", ", ", "NASA is here.") == "Go., NASA is here."


def test_several_stimuli_are_joined_each_by_its_own_joiner():
    text = only(render(question(), (EP02, EP01)))
    assert text.startswith("Solve the problem. This is very important to my career., write your")


def test_history_stands_between_system_and_question():
    history = (Message("user", "hi"), Message("assistant", "hello"))
    messages = render(question(system="Be brief.", history=history))
    assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
    assert append_to_last(messages, "more")[-1].content.endswith("\n\nmore")


@given(
    st.text(max_size=20),
    st.sampled_from(["", " ", ",", ", ", "\n", " - "]),
    st.sampled_from(PLACEMENTS),
)
def test_no_placement_glues_the_phrase_to_other_words(instruction, joiner, placement):
    phrase = Stimulus("S", "s", "PHRASE", "x", joiner=joiner)
    texts = [m.content for m in render(question(instruction=instruction), (phrase,), placement)]
    text = next(text for text in texts if "PHRASE" in text)
    before, _, after = text.partition("PHRASE")
    assert not before or before[-1].isspace()
    assert not after or after[0].isspace()


def test_a_joiner_without_white_space_gets_one():
    assert join("one", "", "two") == "one two"
    assert join("one\n", "", "two") == "one\ntwo"
    assert join("one", ";", "two") == "one; two"


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_without_stimuli_the_placement_changes_nothing(placement):
    assert render(question(), (), placement) == render(question())


def test_demonstrations_as_turns_have_instruction_and_stimulus_once_in_front():
    shown = question(demos=(AB, CD), shots_as="turns", answer_format="Bare word.", input="E ->")
    first, b, second, d, last = render(shown, (EP02,))
    assert first == Message("user", f"Solve the problem. {EP02.text}\n\nA ->\n\nBare word.")
    assert (b, d) == (Message("assistant", "B"), Message("assistant", "D"))
    assert second == Message("user", "C ->\n\nBare word.")
    assert last == Message("user", "E ->\n\nBare word.")


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_stimulus_stands_once_whatever_shows_the_demonstrations(placement: str):
    for form in ("turns", "text"):
        shown = question(demos=(AB, CD), shots_as=form, history=(Message("user", "Hi"),))
        said = [message.content for message in render(shown, (EP02,), placement)]
        assert sum(text.count(EP02.text) for text in said) == 1
        assert sum(text.count("Solve the problem.") for text in said) == 1
        assert all(text == text.strip() for text in said)


def test_turns_stand_before_a_dialogue_of_the_question_itself():
    shown = question(demos=(AB,), shots_as="turns", history=(Message("assistant", "Hi"),))
    assert [m.role for m in render(shown)] == ["user", "assistant", "assistant", "user"]
    assert render(shown)[2].content == "Hi"


def test_older_runs_keep_their_comma_so_that_their_answers_are_found():
    (said,) = older_defaults(Arm("EP01", stimuli=(EP01,))).stimuli
    assert join("Go.", said.joiner, "Write your answer.") == "Go, Write your answer."
    assert join("Go?", said.joiner, "Write your answer.") == "Go? Write your answer."
    assert join("Go", said.joiner, "Write your answer.") == "Go, Write your answer."
