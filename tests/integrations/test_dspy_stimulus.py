"""Stimuli in DSPy programs: where they go, what they survive, and how they come off."""

import copy

import pytest

dspy = pytest.importorskip("dspy")

from dspy_parts import chat, scripted  # noqa: E402

from heartloop.errors import UsageError  # noqa: E402
from heartloop.integrations.dspy import (  # noqa: E402
    compile_with_stimulus,
    stimulus_of,
    with_stimulus,
    without_stimulus,
)

pytestmark = pytest.mark.dspy
EP02 = "This is very important to my career."
ALWAYS = chat(reasoning="because", answer="4")


class TwoSteps(dspy.Module):
    def __init__(self):
        super().__init__()
        self.plan = dspy.Predict("question -> plan")
        self.solve = dspy.ChainOfThought("question, plan -> answer")

    def forward(self, question):
        return self.solve(question=question, plan=self.plan(question=question).plan)


def reward(inputs, prediction):
    return 0.0


def test_the_words_reach_the_model_behind_the_instructions():
    qa = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))
    told = with_stimulus(qa, "emotionprompt:EP02")
    assert type(told) is type(qa) and EP02 not in qa.signature.instructions
    with scripted(lambda call: chat(answer="4")) as (model, lm), dspy.context(lm=lm):
        assert told(question="2 + 2?").answer == "4"
    assert f"Answer the question. {EP02}" in model.prompt(0)


def test_placements_and_pairs():
    qa = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))
    before = with_stimulus(qa, "emotionprompt:EP02", placement="before")
    assert before.signature.instructions == f"{EP02} Answer the question."
    pair = with_stimulus(qa, "emotionprompt:EP02+EP03")
    assert pair.signature.instructions == f"Answer the question. {EP02} You'd better be sure."
    with pytest.raises(UsageError, match="after_input"):
        with_stimulus(qa, "emotionprompt:EP02", placement="after_input")
    with pytest.raises(UsageError, match="11 of them"):
        with_stimulus(qa, "emotionprompt")


def test_one_predictor_or_all():
    both = with_stimulus(TwoSteps(), "emotionprompt:EP02")
    assert set(stimulus_of(both)) == {"plan", "solve.predict"}
    one = with_stimulus(TwoSteps(), "emotionprompt:EP02", predictors=["plan"])
    assert set(stimulus_of(one)) == {"plan"}
    with pytest.raises(UsageError, match="plan, solve.predict"):
        with_stimulus(TwoSteps(), "emotionprompt:EP02", predictors=["sovle"])


@pytest.mark.parametrize("id", ["EP01", "EP02", "EP06"])
def test_taking_it_off_gives_back_the_instructions(id):
    qa = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))
    for place in ("after_instruction", "before", "system"):
        told = with_stimulus(qa, f"emotionprompt:{id}", placement=place)
        assert told.signature.instructions != qa.signature.instructions
        assert without_stimulus(told).signature.instructions == qa.signature.instructions
    again = with_stimulus(with_stimulus(qa, "emotionprompt:EP02"), f"emotionprompt:{id}")
    assert without_stimulus(again).signature.instructions == qa.signature.instructions


def test_it_survives_copies_and_reset_copies():
    told = with_stimulus(TwoSteps(), "emotionprompt:EP02")
    for other in (copy.deepcopy(told), told.deepcopy(), told.reset_copy()):
        assert all(EP02 in p.signature.instructions for p in other.predictors())
    bare = without_stimulus(told.reset_copy(), "emotionprompt:EP02")  # its record is gone
    assert [p.signature.instructions for p in bare.predictors()] == [
        p.signature.instructions for p in TwoSteps().predictors()
    ]


@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_save_and_load_keep_the_words_and_what_is_known_of_them(tmp_path, suffix):
    told = with_stimulus(TwoSteps(), "emotionprompt:EP02")
    told.marker = "an attribute of our own"
    told.save(str(tmp_path / f"program.{suffix}"))
    loaded = TwoSteps()
    more = {"allow_pickle": True} if suffix == "pkl" else {}
    try:
        loaded.load(str(tmp_path / f"program.{suffix}"), **more)
    except TypeError:  # DSPy before 3.1 asks for no permission
        loaded.load(str(tmp_path / f"program.{suffix}"))
    assert not hasattr(loaded, "marker")  # the trap: attributes are lost
    assert stimulus_of(loaded) == stimulus_of(told)
    bare = without_stimulus(loaded)
    assert [p.signature.instructions for p in bare.predictors()] == [
        p.signature.instructions for p in TwoSteps().predictors()
    ]


def test_it_survives_the_second_try_in_json():
    told = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP02")
    answers = ["no fields at all", '{"answer": "4"}']
    with scripted(answers) as (model, lm), dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
        assert told(question="2 + 2?").answer == "4"
    assert len(model.calls) == 2 and "JSON" in model.prompt(1)
    assert EP02 in model.prompt(0) and EP02 in model.prompt(1)


class NeedsArguments(dspy.ChatAdapter):
    """An adapter as users write them: it cannot be made without arguments."""

    def __init__(self, words):
        super().__init__()
        self.words = words


def test_best_of_n_says_it_in_every_attempt_with_its_own_draw():
    told = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP02")
    best = dspy.BestOfN(told, N=3, reward_fn=reward, threshold=1.0)
    with scripted(lambda call: chat(answer="4")) as (model, lm), dspy.context(lm=lm):
        best(question="2 + 2?")
    assert [EP02 in model.prompt(i) for i in range(3)] == [True] * 3
    assert len({call.draw for call in model.calls}) == 3


def refine_reply(call):
    if "advice" in call.messages[-1].content.rpartition("Respond with")[2]:
        return chat(discussion="it was wrong", advice='{"self": "count again"}')
    fields = call.messages[-1].content.rpartition("Respond with")[2]
    return chat(**({"reasoning": "r"} if "reasoning" in fields else {}), answer="4")


def test_refine_says_it_in_every_attempt_and_not_in_its_feedback_calls():
    told = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP02")
    refine = dspy.Refine(told, N=3, reward_fn=reward, threshold=1.0)
    with scripted(refine_reply) as (model, lm), dspy.context(lm=lm):
        refine(question="2 + 2?")
    feedback = [i for i, c in enumerate(model.calls) if "assign blame" in c.messages[0].content]
    attempts = [i for i in range(len(model.calls)) if i not in feedback]
    assert len(feedback) == 2 and len(attempts) == 3
    assert all(EP02 in model.system(i) for i in attempts)
    assert not any(EP02 in model.system(i) for i in feedback)
    # It is quoted there once, inside the definition of the module that feedback is about.
    assert all(model.prompt(i).count(EP02) == 1 for i in feedback)
    assert any("hint_" in model.prompt(i) for i in attempts)


def test_refine_instantiates_its_adapter_without_arguments_and_the_words_stay():
    """An adapter-level stimulus breaks there; one in the instructions does not need an adapter."""
    told = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP02")
    refine = dspy.Refine(told, N=2, reward_fn=reward, threshold=1.0)
    with scripted(refine_reply) as (model, lm):
        with dspy.context(lm=lm, adapter=NeedsArguments("x")):
            refine(question="2 + 2?")
    first = [i for i, c in enumerate(model.calls) if "assign blame" not in c.messages[0].content]
    assert first and all(EP02 in model.system(i) for i in first)


class Rewriting(dspy.teleprompt.Teleprompter):
    """An optimiser that rewrites instructions and picks demonstrations."""

    def compile(self, student, *, trainset, **_):
        self.seen = [p.signature.instructions for p in student.predictors()]
        new = student.reset_copy()
        for predictor in new.predictors():
            predictor.signature = predictor.signature.with_instructions("A better instruction.")
            predictor.demos = [dspy.Example(question="1 + 1?", answer="2")]
        return new


def test_compile_reapplies_the_words_or_freezes_the_instructions():
    qa = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))
    for id in ("EP01", "EP02"):
        told = with_stimulus(qa, f"emotionprompt:{id}")
        fresh = with_stimulus(
            dspy.Predict(dspy.Signature("question -> answer", "A better instruction.")),
            f"emotionprompt:{id}",
        )
        optimizer = Rewriting()
        done = compile_with_stimulus(optimizer, told, trainset=[])
        assert optimizer.seen == ["Answer the question."]
        assert done.signature.instructions == fresh.signature.instructions
        assert without_stimulus(done).signature.instructions == "A better instruction."
        frozen = compile_with_stimulus(optimizer, told, keep="frozen", trainset=[])
        assert optimizer.seen == [told.signature.instructions]
        assert frozen.signature.instructions == told.signature.instructions
        assert done.demos and frozen.demos
        assert without_stimulus(frozen).signature.instructions == "Answer the question."


def test_after_a_rewrite_the_words_alone_are_cut_out():
    told = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP02")
    told.signature = told.signature.with_instructions(f"Think hard. {EP02} Then answer.")
    assert without_stimulus(told).signature.instructions == "Think hard. Then answer."


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UsageError, match="EP02|emotionprompt"):
        with_stimulus(dspy.Predict("question -> answer"), "emotionpromt:EP02")


def test_words_of_ones_own_and_a_record_that_no_longer_holds():
    program = with_stimulus(dspy.Predict("question -> answer"), "My job depends on it.")
    assert program.signature.instructions.endswith("My job depends on it.")
    assert [w.names for w in stimulus_of(program).values()] == [("own:my-job-depends-on",)]
    program.signature = program.signature.with_instructions("Answer in one word.")
    assert stimulus_of(program) == {}
