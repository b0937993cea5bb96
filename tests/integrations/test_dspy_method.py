"""A DSPy program as a task's solver: inputs, answers, stimuli, errors, journal and resume."""

import asyncio
import json
from pathlib import Path

import pytest

dspy = pytest.importorskip("dspy")

from dspy_parts import chat  # noqa: E402

from heartloop.errors import BudgetExceeded, CallError, UsageError  # noqa: E402
from heartloop.integrations.dspy import register_program  # noqa: E402
from heartloop.integrations.dspy.method import inputs_of  # noqa: E402
from heartloop.methods import METHODS  # noqa: E402
from heartloop.types import Arm, Completion, Question, Usage  # noqa: E402

pytestmark = pytest.mark.dspy
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "dspy_solver.py"
ASKED = Question("q1", "sums", 0, "2 + 2?", instruction="Add.", answer_format="A number.")


class Asking:
    """`Ask` that answers from a list and remembers."""

    def __init__(self, *answers):
        self.answers, self.asked, self.reader = list(answers), [], None

    async def __call__(self, messages, **more):
        self.asked.append((messages, more))
        text = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(text, Exception):
            raise text
        return Completion(text, usage=Usage(5, 2), key="ab")


def program(tmp_path, text, name="solver.py"):
    file = tmp_path / name
    file.write_text(f"import dspy\n{text}\n")
    return register_program(f"dspy:{file}")


def solve(method, ask, **arm):
    return asyncio.run(METHODS[method](ASKED, Arm("a", method, **arm), ask))


def test_the_programs_answer_is_the_attempt_and_its_calls_are_counted(tmp_path):
    method = program(tmp_path, "program = dspy.Predict('question -> plan, answer')")
    ask = Asking(chat(plan="count", answer="4"))
    trace = solve(method, ask)
    assert trace.attempts[0].completion.text == "4" and trace.selected == 0
    assert trace.calls == 1 and trace.usage.total == 7
    prompt = ask.asked[0][0][-1].content
    assert "Add.\n\n2 + 2?\n\nA number." in prompt
    assert set(ask.asked[0][1]) <= {"round", "draw", "temperature", "max_tokens"}


def test_several_steps_several_calls_with_the_arms_stimulus_in_each(tmp_path):
    from heartloop.cards import parse_stimuli

    text = (
        "class P(dspy.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = dspy.Predict('instruction, input -> plan')\n"
        "        self.b = dspy.Predict('plan -> answer')\n"
        "    def forward(self, instruction, input):\n"
        "        return self.b(plan=self.a(instruction=instruction, input=input).plan)\n"
        "program = P\n"
    )
    method = program(tmp_path, text)
    ask = Asking(chat(plan="count"), chat(answer="4"))
    trace = solve(method, ask, stimuli=parse_stimuli("emotionprompt:EP02")[0])
    assert trace.calls == 2 and trace.attempts[0].completion.text == "4"
    assert all("important to my career" in m[0].content for m, _ in ask.asked)


def test_inputs_and_answer_of_the_file_go_first(tmp_path):
    text = (
        "program = dspy.Predict('x, y -> answer')\n"
        "def inputs(question):\n    return {'x': question.id, 'y': question.input}\n"
        "def answer(prediction):\n    return '<' + prediction.answer + '>'\n"
    )
    method = program(tmp_path, text)
    ask = Asking(chat(answer="4"))
    assert solve(method, ask).attempts[0].completion.text == "<4>"
    assert "q1" in ask.asked[0][0][-1].content


def test_a_failed_call_is_an_error_and_an_unreadable_answer_is_graded_as_it_is(tmp_path):
    method = program(tmp_path, "program = dspy.Predict('question -> answer')")
    trace = solve(method, Asking(CallError("gone", kind="http_500")))
    assert trace.attempts[0].completion is None and trace.attempts[0].error == "http_500"
    assert trace.selected is None
    trace = solve(method, Asking("no fields"))
    assert trace.attempts[0].completion.text == "no fields" and trace.calls == 2
    assert "AdapterParseError" in trace.notes["program_error"]


def test_a_stop_is_let_through(tmp_path):
    method = program(tmp_path, "program = dspy.Predict('question -> answer')")
    with pytest.raises(BudgetExceeded):
        solve(method, Asking(BudgetExceeded("no tokens left")))


def test_best_of_n_inside_a_program_draws_again(tmp_path):
    text = (
        "program = dspy.BestOfN(dspy.Predict('question -> answer'), N=3,\n"
        "    reward_fn=lambda given, made: 0.0, threshold=1.0)\n"
    )
    ask = Asking(chat(answer="4"))
    assert solve(program(tmp_path, text), ask).calls == 3
    assert len({more["draw"] for _, more in ask.asked}) == 3


def test_specs_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        register_program("dspy:absent.py:program")
    with pytest.raises(UsageError, match="no 'program'"):
        program(tmp_path, "x = 1", "empty.py")
    with pytest.raises(UsageError, match="no dspy.Module"):
        program(tmp_path, "program = dict", "wrong.py")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        program(tmp_path, "1 / 0", "broken.py")
    with pytest.raises(UsageError, match=r"define\s+inputs"):
        inputs_of(ASKED, ("x", "y"))


def test_the_same_file_is_registered_once(tmp_path):
    first = program(tmp_path, "program = dspy.Predict('question -> answer')")
    assert program(tmp_path, "program = dspy.Predict('question -> answer')") == first
    assert register_program(first) == first
    (tmp_path / "solver.py").write_text("x = 1")
    with pytest.raises(UsageError, match="changed"):
        register_program(first)


def test_a_run_with_a_program_and_its_resume(shared, mock_server, tmp_path, monkeypatch, capsys):
    from heartloop.cli import main

    monkeypatch.chdir(tmp_path)
    golds = tmp_path / "golds.jsonl"
    rows = [{"question": f"Problem {n}: what is it?", "answer": str(n)} for n in range(6)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    golds.write_text(
        "\n".join(json.dumps({"match": f"Problem {n}:", "answer": n}) for n in range(6))
    )
    url = mock_server("--answers", str(golds))
    command = ["run", "--task", "mine.jsonl", "--method", f"dspy:{EXAMPLE}:program"]
    command += ["--controls", "none"]
    command += ["--model", "server/m", "--base-url", url, "--name", "r", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert json.loads(out)
    lines = [json.loads(x) for x in (tmp_path / "runs/r/verdicts.jsonl").read_text().splitlines()]
    assert len(lines) == 6 and all(line["calls"] >= 1 for line in lines)
    calls = (tmp_path / "runs/r/calls.jsonl").read_text().count("\n")
    with pytest.raises(SystemExit):
        main(["resume", "r", "--json"])
    assert (tmp_path / "runs/r/calls.jsonl").read_text().count("\n") == calls
