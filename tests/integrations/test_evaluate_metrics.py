"""The `evaluate` metrics load from a path, offline, and say what heartloop's grading says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("evaluate", reason="pip install 'heartloop[evaluate]' to test its metrics")

CODE = """
import json, sys
import evaluate
from heartloop.integrations.evaluate_metrics import metric_path
found = []
for name, arguments in json.load(open(sys.argv[1])):
    try:
        found.append(evaluate.load(metric_path(name)).compute(**arguments))
    except ValueError as error:
        found.append(str(error))
print(json.dumps(found))
"""
SCORED = {"yes": 1.0, "maybe": 0.5, "no": 0.0}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("math_equality", {"predictions": ["So \\boxed{\\frac{1}{2}}.",
                                       "It is \\boxed{3}.", "no idea"],
                       "references": ["0.5", "4", "7"]}),
    ("math_equality", {"predictions": ["2x", "x+x+1"], "references": ["x+x", "2x"],
                       "whole_texts": False}),
    ("normalised_metric", {"predictions": ["red", "blue", "red", "blue"],
                           "references": ["red"] * 4, "choices": [["red", "blue"]] * 4}),
    ("normalised_metric", {"predictions": ["yes", "maybe", "no", "maybe"],
                           "references": [""] * 4, "target_scores": [SCORED] * 4}),
    ("normalised_metric", {"predictions": ["four", "five"], "references": ["four", "six"]}),
    ("normalised_metric", {"predictions": ["a"], "references": ["z"], "choices": [["a", "b"]]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "cases.json").write_text(json.dumps(CASES))
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "USE_TORCH": "0", "USE_TF": "0",
           "HF_HOME": str(folder)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder / "cases.json")],
        capture_output=True, text=True, env=env, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_maths_is_compared_as_maths(found: list[Any]) -> None:
    whole, bare = found[:2]
    assert whole["verdicts"][:2] == ["correct", "incorrect"] and whole["n"] == 3
    assert whole["verdicts"][2] != "correct" and whole["accuracy"] == pytest.approx(1 / 3)
    assert whole["interval"][0] < 1 / 3 < whole["interval"][1]
    assert bare["verdicts"] == ["correct", "incorrect"]


def test_the_normalised_metric_is_0_at_guessing_and_100_at_best(found: list[Any]) -> None:
    even, scored, exact, stray = found[2:]
    assert (even["raw"], even["low"], even["normalised"]) == (0.5, 0.5, 0)
    assert even["se"] == pytest.approx(200 * (1 / 3) ** 0.5 / 2)
    assert (scored["raw"], scored["low"], scored["normalised"]) == (0.5, 0.5, 0)
    assert (exact["raw"], exact["low"], exact["normalised"]) == (0.5, 0, 50)
    assert "none of its item's choices" in stray


def test_every_metric_has_its_folder() -> None:
    from heartloop.integrations.evaluate_metrics import METRICS, metric_path

    for name in METRICS:
        assert Path(metric_path(name), f"{name}.py").is_file()
