"""StimulusOptimizer: finds the stimulus worth using or none, honestly, and goes on after a stop."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

dspy = pytest.importorskip("dspy")

from dspy_parts import chat, scripted  # noqa: E402

from heartloop.errors import HeartloopError, Stopped, UsageError  # noqa: E402
from heartloop.integrations.dspy import (  # noqa: E402
    StimulusOptimizer,
    compile_with_stimulus,
    search_of,
    stimulus_of,
    with_stimulus,
)
from heartloop.run.folder import RunFolder  # noqa: E402
from heartloop.run.state import run_state  # noqa: E402

pytestmark = pytest.mark.dspy
ROOT = Path(__file__).resolve().parents[2]
EP02 = "This is very important to my career."
EP08 = "Embrace challenges as opportunities for growth."


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A compile without a folder makes one under runs/."""
    monkeypatch.chdir(tmp_path)


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


def test_the_estimate_is_on_the_validation_set_when_there_is_one(tmp_path):
    program, model = compile(
        {EP08: 0.3}, examples(120), examples(80, start=1000), folder=tmp_path / "val"
    )
    lines = [json.loads(line) for line in open(tmp_path / "val" / "verdicts.jsonl")]
    raced = {row["name"] for row in search_of(program)["ranking"]}
    own = [line for line in lines if line["arm"] not in raced]  # the winner's own placebos
    assert own and all(int(line["question"][1:]) >= 1000 for line in own)
    held = {call.place.question for call in model.calls if "q1" in call.place.question}
    held = {one for one in held if int(one[1:]) >= 1000}
    assert len(held) == search_of(program)["held_out"]["questions"] <= 80
    by_arm = {EP02: set(), EP08: set()}
    for call in model.calls:
        for words in by_arm:
            if words in call.messages[0].content:
                by_arm[words].add(int(call.place.question[1:]) >= 1000)
    assert by_arm == {EP02: {False}, EP08: {False, True}}


def search(folder, reply, trainset=None, metric=metric, student=None, **options):
    """(program, calls that were made) of one compile in a folder."""
    optimizer = StimulusOptimizer(
        metric,
        **{"stimuli": "emotionprompt:EP02,EP08,EP10", "delta": 0.15, "folder": folder, **options},
    )
    student = student or dspy.Predict(dspy.Signature("question -> answer", "Answer."))
    with scripted(reply) as (model, lm), dspy.context(lm=lm):
        try:
            return optimizer.compile(student, trainset=trainset or examples(400)), model.calls
        except Stopped as error:
            return error, model.calls


def test_a_compile_that_is_interrupted_goes_on_and_pays_for_nothing_twice(tmp_path):
    answer = model_with({EP08: 0.2})
    seen = []

    def interrupting(call):
        seen.append(1)
        if len(seen) == 150:
            os.kill(os.getpid(), signal.SIGINT)
        return answer(call)

    whole, everything = search(tmp_path / "whole", answer)
    stopped, first = search(tmp_path / "cut", interrupting)
    assert isinstance(stopped, Stopped) and "compile again with folder=" in str(stopped)
    assert run_state(RunFolder(tmp_path / "cut")).state == "partial"
    resumed, rest = search(tmp_path / "cut", answer)
    # What a call cost is counted when it is paid, so the counts of what was paid now differ.
    ours, theirs = search_of(resumed), search_of(whole)
    for name in ("paid_calls", "paid_tokens"):
        ours.pop(name), theirs.pop(name)
    assert ours == theirs
    assert len(first) >= 150 and len(first) + len(rest) == len(everything)
    again, none = search(tmp_path / "cut", answer)
    assert none == [] and stimulus_of(again) == stimulus_of(whole)
    assert run_state(RunFolder(tmp_path / "cut")).state == "whole"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trainset": examples(300)}, "questions of dspy changed"),
        ({"stimuli": "emotionprompt:EP02"}, "had other arms"),
        ({"student": dspy.Predict(dspy.Signature("question -> answer", "Say."))}, "program chang"),
        ({"metric": lambda example, prediction: True}, "verifier card of dspy changed"),
        ({"seed": 1}, "other arms, questions or seed"),
    ],
)
def test_a_compile_of_something_else_does_not_go_on_in_the_folder(tmp_path, change, says):
    search(tmp_path / "run", model_with({}), examples(60))
    with pytest.raises(UsageError, match=says):
        search(tmp_path / "run", model_with({}), **{"trainset": examples(60), **change})


def test_caps_hold(tmp_path):
    _, everything = search(tmp_path / "all", model_with({EP08: 0.2}))
    cheap, few = search(tmp_path / "few", model_with({}), budget_tokens=44000, delta=0.05)
    assert len(few) * 110 <= 44000 < len(everything) * 110 * 2
    assert search_of(cheap)["paid_tokens"] == len(few) * 110
    with pytest.raises(UsageError, match="price"):
        search(tmp_path / "usd", model_with({}), max_usd=1.0)
    assert not (tmp_path / "usd").exists()


def test_the_folder_is_a_run_that_commands_read_or_refuse_in_words(tmp_path):
    program, calls = search(tmp_path / "found", model_with({EP08: 0.3}))
    found = search_of(program)
    assert found["claim"]["word"] == "works" and len(found["claim"]["placebos"]) == 2
    told = json.loads((tmp_path / "found" / "search.json").read_text())
    assert told["searches"]["all"]["chosen"] == found["chosen"] == "emotionprompt:EP08"

    def heartloop(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "heartloop", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    code, said = heartloop("status", "found")
    assert code == 0 and "whole" in said
    code, said = heartloop("compare", "found")
    assert code == 0 and "emotionprompt:EP08" in said
    code, said = heartloop("report", "found")
    assert code == 0 and (tmp_path / "found" / "report.html").exists()
    code, said = heartloop("export", "found", "--to", "csv")
    assert code == 0, said
    for command in (["resume", "found"], ["optimize", "--resume", "found"], ["score", "found"]):
        code, said = heartloop(*command)
        assert code == 2 and "begun by StimulusOptimizer.compile" in said, (command, said)
        assert "Traceback" not in said


def test_a_bug_of_metric_or_program_is_no_answer(tmp_path):
    def broken(example, prediction):
        return 1 / 0

    with pytest.raises(HeartloopError, match="metric broken, example q.*ZeroDivisionError"):
        search(tmp_path / "metric", model_with({}), examples(60), metric=broken)
    with pytest.raises(UsageError, match="not between 0 and 1"):
        search(tmp_path / "share", model_with({}), examples(60), metric=lambda e, p: 70)

    class Buggy(dspy.Module):
        def __init__(self):
            super().__init__()
            self.solve = dspy.Predict("question -> answer")

        def forward(self, question):
            return {"answer": self.solve(question=question).answer}["none"]

    with pytest.raises(HeartloopError, match="question q.*KeyError"):
        search(tmp_path / "program", model_with({}), examples(60), student=Buggy())


def test_calls_of_the_metric_are_in_the_journal_too(tmp_path):
    def judged(example, prediction):
        said = dspy.Predict("answer -> verdict")(answer=prediction.answer).verdict
        return said == "yes"

    def reply(call):
        if "[[ ## verdict ## ]]" in call.messages[0].content:
            return chat(verdict="yes" if dice(call.place.question) < 0.5 else "no")
        return chat(answer="1")

    program, calls = search(tmp_path / "judged", reply, examples(60), metric=judged)
    lines = (tmp_path / "judged" / "calls.jsonl").read_text().splitlines()
    assert sum("yes" in line or "no" in line for line in lines) and len(lines) >= len(calls)
    assert search_of(program)["paid_calls"] == len(calls)


def test_an_lm_of_dspys_own_is_asked_through_the_client(tmp_path):
    class Own(dspy.BaseLM):
        def __init__(self):
            super().__init__("mine/model", temperature=None, max_tokens=None)
            self.asked = 0

        def forward(self, prompt=None, messages=None, **kwargs):
            self.asked += 1
            said = messages[-1]["content"] + messages[0]["content"]
            number = messages[-1]["content"].rpartition("number ")[2].partition("?")[0]
            good = dice(number) < 0.5 + 0.4 * (EP08 in said)
            usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
            message = SimpleNamespace(
                content=chat(answer=number if good else "wrong"),
                reasoning_content=None,
                tool_calls=None,
            )
            return SimpleNamespace(
                choices=[SimpleNamespace(message=message, finish_reason="stop")],
                usage=usage,
                model=self.model,
                _hidden_params={},
            )

    lm = Own()
    optimizer = StimulusOptimizer(
        metric, stimuli="emotionprompt:EP02,EP08", delta=0.15, folder=tmp_path / "own"
    )
    student = dspy.Predict(dspy.Signature("question -> answer", "Answer."))
    student.set_lm(lm)
    best = optimizer.compile(student, trainset=examples(120))
    assert stimulus_of(best)["self"].names == ("emotionprompt:EP08",) and best.lm is not None
    lines = [json.loads(line) for line in open(tmp_path / "own" / "calls.jsonl")]
    assert len(lines) == lm.asked and {line["address"]["model"] for line in lines} == {"mine/model"}


def test_a_plain_lm_over_http_is_asked_with_its_own_settings_and_its_failures_are_told(
    tmp_path, loopback
):
    def reply(body):
        said = "\n".join(m["content"] for m in body["messages"])
        number = said.rpartition("number ")[2].partition("?")[0]
        if number == "7":
            return 400, {"error": {"message": "no sevens here", "type": "invalid_request_error"}}
        return chat(answer=number if dice(number) < 0.5 + 0.4 * (EP08 in said) else "wrong")

    server = loopback(reply)
    lm = dspy.LM(
        "openai/served", api_base=server.url, api_key="none", temperature=0.3, max_tokens=77
    )
    optimizer = StimulusOptimizer(
        metric, stimuli="emotionprompt:EP02,EP08", delta=0.15, folder=tmp_path / "http"
    )
    with dspy.context(lm=lm):
        student = dspy.Predict(dspy.Signature("question -> answer", "Answer."))
        best = optimizer.compile(student, trainset=examples(120))
    assert stimulus_of(best)["self"].names == ("emotionprompt:EP08",)
    bodies = [body for _, _, body in server.asked]
    assert {(b["temperature"], b.get("max_tokens") or b.get("max_completion_tokens"))
            for b in bodies} == {(0.3, 77)}  # fmt: skip
    summary = json.loads((tmp_path / "http" / "summary.json").read_text())
    (error,) = summary["errors"]
    assert "no sevens here" in str(error)
    assert {row["tokens"]["prompt"] for row in summary["arms"] if row["trials"]} != {0}


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
