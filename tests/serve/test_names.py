"""Names of served models."""

from __future__ import annotations

from pathlib import Path

import pytest

from heartloop.errors import UsageError
from heartloop.serve.names import Names


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_is_a_model_with_words_and_a_method() -> None:
    names = Names(["server/qwen+lora", "server/qwen", "pocket"])
    assert names.find("qwen").model == names.find("server/qwen").model == "server/qwen"
    assert names.find("qwen+lora").model == "server/qwen+lora"
    both = names.find("qwen+EP02+EP07+heart")
    assert [s.id for s in both.arm.stimuli] == ["EP02", "EP07"] and both.arm.method == "heart"
    assert both.arm.cues  # a loop's words are there
    own = names.find("pocket+My job depends on it")
    assert own.arm.stimuli[0].text == "My job depends on it"
    assert names.listed()[:3] == ["qwen+lora", "qwen", "pocket"]
    assert "qwen+adaptive" in names.listed()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("qwem", "did you mean 'qwen'"),
        ("qwen+emotionprompt", "names 11 stimuli"),
        ("qwen+heart+adaptive", "one method at most"),
        ("qwen+knowledge", "missing"),
    ],
)
def test_a_name_that_is_none_says_why(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Names(["server/qwen"]).find(name)


def test_names_of_ones_own_stand_in_a_file(tmp_path: Path) -> None:
    names = Names(
        [],
        file(
            tmp_path,
            """
models:
  support: {model: server/qwen, stimuli: "My job depends on it.", placement: before}
  solver:
    model: server/qwen
    method: heart
    params: {rounds: 2}
    selector: majority
    verifier: math
    sampling: {temperature: 0.5, stop: [END]}
    answer_format: Give the answer inside \\boxed{}.
""",
        ),
    )
    assert names.listed()[:3] == ["support", "solver", "qwen"]
    support, solver = names.find("support"), names.find("solver")
    assert support.arm.stimuli[0].text == "My job depends on it."
    assert support.arm.placement == "before"
    assert solver.selector == "majority" and solver.arm.params["rounds"] == 2
    assert solver.task.sampling.temperature == 0.5 and solver.task.sampling.stop == ("END",)
    assert solver.prompt == {"answer_format": r"Give the answer inside \boxed{}."}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [a]", "models: expected a mapping"),
        ("models: {a: {}}", "a: model: name one"),
        ("models: {a: {model: server/x, metod: heart}}", "did you mean 'method'"),
        ("models: {a: {model: server/x, selector: best}}", "selector"),
        ("models: {a: {model: server/x, method: heart, params: {round: 1}}}", "rounds"),
        ("models: {a: {model: server/x, verifier: judge}}", "asks a judge"),
        ("models: {a: {model: server/x, sampling: {temperature: hot}}}", "temperature"),
        (
            "models: {a: {model: server/x, method: heart, params: {schedule: bandit}}}",
            "bandit",
        ),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Names([], file(tmp_path, text))


def test_without_any_model_there_is_nothing_to_serve() -> None:
    with pytest.raises(UsageError, match="no model to serve"):
        Names([])
