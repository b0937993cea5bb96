"""The training stream of pocket: disjoint from the test sets, no published stimuli, no hints."""

import re
import sys
from pathlib import Path

import pytest

from heartloop import practice
from heartloop.cards import load_stimuli
from heartloop.practice._random import Rng

TOOLS = Path(__file__).resolve().parents[2] / "tools" / "pocket"


@pytest.fixture(scope="module")
def stream():
    if not TOOLS.is_dir():
        pytest.skip("the training tools come with the repository, not with the package")
    sys.path.insert(0, str(TOOLS))
    try:
        import stream
    finally:
        sys.path.remove(str(TOOLS))
    return stream


@pytest.fixture(scope="module")
def problems(stream):
    import problems

    return problems


@pytest.fixture(scope="module")
def turns(stream):
    kinds = ("skills", "conversation")  # the third phase needs a checkpoint's own answers
    return [stream.conversation(f"test/{i}", kinds[i % len(kinds)]) for i in range(3000)]


def test_no_test_problem_is_trained_on(turns):
    asked = "\n".join(text for conversation in turns for _, text, _ in conversation)
    leaked = [row["id"] for row in practice.rows("olympiad") if row["question"] in asked]
    assert leaked == []


def test_facts_are_asked_in_other_words_than_in_the_test(turns):
    asked = "\n".join(text for conversation in turns for _, text, _ in conversation)
    assert not any(row["problem"] in asked for row in practice.rows("simpleqa"))


def test_no_published_stimulus_is_trained_on(turns):
    said = "\n".join(text for conversation in turns for _, text, _ in conversation)
    for name in ("emotionprompt", "negativeprompt", "heart"):
        for stimulus in load_stimuli(name).stimuli:
            # "Are you sure?" and the like stand in longer texts too: whole sentences only
            assert stimulus.text not in said or len(stimulus.text.split()) < 4


def test_only_right_answers_count_in_the_loss(problems):
    for i in range(400):
        conversation = problems.olympiad(problems.Draws(f"loss/{i}"))
        counted = {text for role, text, counted in conversation if counted}
        boxes = {match for text in counted for match in re.findall(r"boxed\{(.*)\}\$", text)}
        assert len(boxes) == 1
        assert conversation[-1][0] == "assistant" and conversation[-1][2]
        assert not any(counted for role, _, counted in conversation if role != "assistant")


def test_told_wrong_or_asked_for_steps_the_answer_is_worked_out(problems):
    import phrases

    worked = at_once = 0
    for i in range(2000):
        conversation = problems.olympiad(problems.Draws(f"care/{i}"))
        for (_, asked, _), (role, text, counted) in zip(
            conversation, conversation[1:], strict=False
        ):
            if role != "assistant" or not counted:
                continue
            hurried = text.startswith("The answer is")
            if phrases.says_wrong(asked) or phrases.asks_for_steps(asked):
                worked += 1
                assert not hurried
            else:
                at_once += hurried
    assert worked > 500 and at_once > 500


def test_phrases_say_nothing_about_how_the_answer_is_given(problems):
    """Answers at once are as frequent with a phrase of feeling as without."""
    import phrases

    counts = {True: [0, 0], False: [0, 0]}
    for i in range(6000):
        r = problems.Draws(f"phrase/{i}")
        found, _ = problems.problem(r)
        felt = r.chance(50)
        asked = f"{found.question} {phrases.affect(r)}" if felt else found.question
        counts[felt][0] += problems.answer(r, found, asked) == problems.maths.boxed(found)
        counts[felt][1] += 1
    for hurried, n in counts.values():
        assert abs(hurried / n - problems.HURRY / 100) < 0.03


def test_no_development_problem_is_trained_on(problems, turns):
    asked = "\n".join(text for conversation in turns for _, text, _ in conversation)
    development = problems.maths.held_out("dev")
    assert not any(problem.question in asked for problem in development)
    tested = {row["question"] for row in practice.rows("olympiad")}
    assert sum(problem.question in tested for problem in development) < len(development) / 5


def test_feedback_says_wrong_at_the_stated_rates(stream):
    import phrases

    words = phrases.VERDICTS
    for wrong, rate in ((True, 0.75), (False, 0.10)):
        said = [phrases.feedback(Rng(f"rate/{wrong}/{i}"), wrong) for i in range(3000)]
        share = sum(any(line in text for line in words) for text in said) / len(said)
        assert abs(share - rate) < 0.04


def test_feedback_holds_no_digit_of_an_answer(stream):
    import phrases

    said = [phrases.feedback(Rng(f"hint/{i}"), True) for i in range(2000)]
    assert not any(re.search(r"\d", text) for text in said)


def test_the_stream_is_the_same_for_a_seed(stream):
    assert stream.conversation("x/1") == stream.conversation("x/1") != stream.conversation("x/2")
