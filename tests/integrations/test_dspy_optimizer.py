"""StimulusOptimizer: finds the stimulus worth using or none, honestly, and goes on after a stop."""

import asyncio
import hashlib

import pytest

dspy = pytest.importorskip("dspy")

from dspy_parts import chat, scripted  # noqa: E402

from heartloop.errors import UsageError  # noqa: E402
from heartloop.integrations.dspy import (  # noqa: E402
    StimulusOptimizer,
    compile_with_stimulus,
    search_of,
    stimulus_of,
    with_stimulus,
)

pytestmark = pytest.mark.dspy
EP02 = "This is very important to my career."
EP08 = "Embrace challenges as opportunities for growth."


def examples(count, start=0):
    return [
        dspy.Example(id=f"q{n}", question=f"number {n}?", answer=str(n)).with_inputs("question")
        for n in range(start, start + count)
    ]


def dice(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def model_with(bonus):
    """Right on half of the questions; the words in ``bonus`` add to that."""

    def reply(call):
        prompt = "\n".join(message.content for message in call.messages)
        number = prompt.rpartition("number ")[2].partition("?")[0]
        chance = 0.5 + sum(extra for words, extra in bonus.items() if words in prompt)
        return chat(answer=number if dice(number) < chance else "wrong")

    return reply


def metric(example, prediction, trace=None):
    return example.answer == prediction.answer


def compile(bonus, trainset, valset=None, student=None, **options):
    optimizer = StimulusOptimizer(
        metric, **{"stimuli": "emotionprompt:EP02,EP08,EP10", "delta": 0.15, **options}
    )
    with scripted(model_with(bonus)) as (model, lm), dspy.context(lm=lm):
        student = student or dspy.Predict(dspy.Signature("question -> answer", "Answer."))
        return optimizer.compile(student, trainset=trainset, valset=valset), model


def test_a_stimulus_that_helps_is_put_on_with_its_held_out_estimate(tmp_path):
    program, model = compile({EP08: 0.2}, examples(400))
    assert type(program) is dspy.Predict
    assert stimulus_of(program)["self"].names == ("emotionprompt:EP08",)
    found = search_of(program)
    assert found["chosen"] == "emotionprompt:EP08"
    assert 0.1 < found["held_out"]["difference"] < 0.3 and found["held_out"]["p_value"] < 0.05
    names = {row["name"] for row in found["ranking"]}
    assert {"none", "placebo", "emotionprompt:EP02"} < names
    assert {call.place.task for call in model.calls} == {"dspy"}
    assert all(call.place.question.startswith("q") for call in model.calls)
    program.save(str(tmp_path / "program.json"))
    loaded = dspy.Predict("question -> answer")
    loaded.load(str(tmp_path / "program.json"))
    assert search_of(loaded) == found and EP08 in loaded.signature.instructions


def test_when_nothing_helps_no_stimulus_is_put_on():
    program, _ = compile({}, examples(200))
    assert stimulus_of(program) == {} and search_of(program)["chosen"] is None
    assert program.signature.instructions == "Answer."


def test_a_harmful_stimulus_that_the_student_wears_is_taken_off():
    student = with_stimulus(
        dspy.Predict(dspy.Signature("question -> answer", "Answer.")), "emotionprompt:EP02"
    )
    program, _ = compile({EP02: -0.3}, examples(200), student=student)
    assert program.signature.instructions == "Answer."
    assert EP02 in student.signature.instructions


def test_the_estimate_is_on_the_validation_set_when_there_is_one():
    program, model = compile({EP08: 0.3}, examples(120), examples(80, start=1000))
    held = {call.place.question for call in model.calls if "q1" in call.place.question}
    held = {one for one in held if int(one[1:]) >= 1000}
    assert len(held) == search_of(program)["held_out"]["questions"] <= 80
    by_arm = {EP02: set(), EP08: set()}
    for call in model.calls:
        for words in by_arm:
            if words in call.messages[0].content:
                by_arm[words].add(int(call.place.question[1:]) >= 1000)
    assert by_arm == {EP02: {False}, EP08: {False, True}}


def test_a_stopped_search_goes_on_and_a_token_cap_holds(tmp_path):
    state = tmp_path / "search.json"

    class Stop(BaseException):
        pass

    seen = []

    def breaking(example, prediction, trace=None):
        seen.append(1)
        if len(seen) == 150:
            raise Stop
        return metric(example, prediction)

    optimizer = StimulusOptimizer(
        breaking, stimuli="emotionprompt:EP02,EP08,EP10", delta=0.15, state=state
    )
    student = dspy.Predict(dspy.Signature("question -> answer", "Answer."))
    with scripted(model_with({EP08: 0.2})) as (first, lm), dspy.context(lm=lm):
        with pytest.raises(Stop):
            optimizer.compile(student, trainset=examples(400))
    whole, everything = compile({EP08: 0.2}, examples(400))
    resumed, rest = compile({EP08: 0.2}, examples(400), state=state)
    assert search_of(resumed) == search_of(whole)
    assert len(rest.calls) < len(everything.calls)
    with pytest.raises(UsageError, match="other arms"):
        compile({}, examples(300), state=state)
    cheap, few = compile({}, examples(400), budget_tokens=44000, delta=0.05)
    assert len(few.calls) * 110 <= 44000 < len(everything.calls) * 110 * 2
    assert search_of(cheap)["paid_tokens"] == len(few.calls) * 110


def test_a_budget_without_a_search_is_refused_before_anything_is_asked():
    optimizer = StimulusOptimizer(metric, stimuli="emotionprompt:EP02,EP08,EP10", budget_calls=50)
    with scripted(model_with({})) as (model, lm), dspy.context(lm=lm):
        student = dspy.Predict(dspy.Signature("question -> answer", "Answer."))
        with pytest.raises(UsageError, match="budget_calls=50: a first look at 5 .* least 140"):
            optimizer.compile(student, trainset=examples(40))
    assert model.calls == []


def test_it_composes_with_an_optimiser_before_and_after():
    bootstrap = dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=1, max_rounds=1)
    student = dspy.Predict(dspy.Signature("question -> answer", "Answer."))
    with scripted(model_with({EP08: 0.3})) as (_, lm), dspy.context(lm=lm):
        first = bootstrap.compile(student, trainset=examples(20))
    after, _ = compile({EP08: 0.3}, examples(200), student=first)
    assert after.demos == first.demos and EP08 in after.signature.instructions
    with scripted(model_with({EP08: 0.3})) as (_, lm), dspy.context(lm=lm):
        found, _ = compile({EP08: 0.3}, examples(200), student=student)
        before = compile_with_stimulus(bootstrap, found, trainset=examples(20))
    assert before.demos and EP08 in before.signature.instructions


def mipro():
    return dspy.MIPROv2(
        metric=metric, auto=None, num_candidates=2, max_bootstrapped_demos=0, max_labeled_demos=0
    )


def proposer(bonus):
    """A model that answers questions and also plays the optimisers' instruction writer."""
    answer = model_with(bonus)

    def reply(call):
        wanted = call.messages[-1].content.rpartition("starting with the field")[2]
        names = [part.split(" ")[0] for part in wanted.split("[[ ## ")[1:]]
        names = [name for name in names if name != "completed"]
        if names == ["answer"]:
            return answer(call)
        if not names:  # GEPA's reflection asks for a block of text
            return "```\nAnswer with the number alone.\n```"
        return chat(**{name: "Answer with the number alone." for name in names})

    return reply


def test_it_composes_with_mipro():
    pytest.importorskip("optuna")
    student = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP08")
    with scripted(proposer({EP08: 0.3})) as (model, lm), dspy.context(lm=lm):
        more = {"num_trials": 2, "minibatch": False}
        try:
            done = compile_with_stimulus(
                mipro(), student, trainset=examples(20), valset=examples(10, 50), **more
            )
        except TypeError:
            more["requires_permission_to_run"] = False
            done = compile_with_stimulus(
                mipro(), student, trainset=examples(20), valset=examples(10, 50), **more
            )
    assert EP08 in done.signature.instructions
    assert not any(EP08 in model.prompt(i) for i in range(len(model.calls)))
    after, _ = compile({EP08: 0.3}, examples(150), student=done)
    assert EP08 in after.signature.instructions


def test_it_composes_with_gepa():
    pytest.importorskip("gepa")

    def feedback(example, prediction, trace=None, pred_name=None, pred_trace=None):
        return dspy.Prediction(score=float(metric(example, prediction)), feedback="count again")

    student = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP08")
    with scripted(proposer({EP08: 0.1})) as (model, lm), dspy.context(lm=lm):
        gepa = dspy.GEPA(metric=feedback, max_metric_calls=30, reflection_lm=lm)
        done = compile_with_stimulus(gepa, student, trainset=examples(10), valset=examples(10, 50))
    assert EP08 in done.signature.instructions
    after, _ = compile({EP08: 0.3}, examples(150), student=done)
    assert EP08 in after.signature.instructions


def test_it_runs_inside_a_running_loop():
    async def notebook():
        return compile({EP08: 0.3}, examples(150))

    program, _ = asyncio.run(notebook())
    assert search_of(program)["chosen"] == "emotionprompt:EP08"


def test_too_few_examples_are_refused():
    with pytest.raises(UsageError, match="too few"):
        compile({}, examples(2))
