"""``heartloop grade`` in both forms, through the real command line."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from click.testing import CliRunner

from heartloop.cli import cli
from heartloop.errors import HeartloopError


def run(*args):
    """Output of the command; deliberate errors are raised as they are."""
    result = CliRunner().invoke(cli, ["grade", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_come_back_in_order_with_verdict_and_reason(tmp_path):
    rows = [
        {"id": "b", "gold": "0.5", "prediction": r"\frac{1}{2}", "note": "kept"},
        {"id": "a", "gold": "3", "prediction": "4"},
        {"id": "c", "gold": "3", "prediction": "", "prediction_kind": "response"},
        {"id": "d", "gold": "3", "prediction": r"so \boxed{3}", "prediction_kind": "response"},
        {"id": "e", "gold": "3", "prediction": None},
    ]
    result = run("--verifier", "math", "--pairs", write(tmp_path / "p.jsonl", rows))
    graded = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["id"] for row in graded] == ["b", "a", "c", "d", "e"]
    assert [row["verdict"] for row in graded] == [
        "correct", "incorrect", "unscored", "correct", "unscored",
    ]  # fmt: skip
    assert all(row["reason"] for row in graded)
    assert graded[0]["note"] == "kept"


def test_recorded_bbh_outputs_have_the_published_accuracies(shared_data, tmp_path):
    folder = shared_data / "recorded_outputs"
    rows = defaultdict(list)
    for line in (folder / "bbh_code_davinci_002.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows[row["mode"], row["task"]].append(row)
    published = [
        json.loads(line)
        for line in (folder / "bbh_published_accuracy.jsonl").read_text().splitlines()
    ]
    assert len(published) == 18
    for entry in published:
        task = entry["task"]
        answers = [
            {"index": row["bbh_index"], "output": row["prediction"]}
            for row in rows[entry["mode"], task]
        ]
        suite = "bbh" if entry["mode"] == "direct" else "bbh_cot"
        result = run(
            "--task", f"{suite}/{task}", "--answers", write(tmp_path / "a.jsonl", answers),
            "--data", shared_data, "--field", "output", "--json",
        )  # fmt: skip
        summary = json.loads(result.stdout)
        assert summary["accuracy"] * 100 == pytest.approx(entry["accuracy"], abs=1e-9)
        assert sum(summary["outcomes"].values()) == len(answers)


def test_the_summary_says_what_a_reader_must_know(shared_data, tmp_path):
    answers = [{"index": k, "prediction": "wrong"} for k in range(20)]
    path = write(tmp_path / "a.jsonl", answers)
    result = run("--task", "bbh/navigate", "--answers", path, "--data", shared_data)
    assert "accuracy    0.000000 of all" in result.stdout
    assert "20 answers to 250 questions" in result.stderr


@pytest.mark.parametrize(
    ("args", "text", "message"),
    [
        (("--verifier", "math", "--pairs"), "{", "line 1: not valid JSON"),
        (("--verifier", "math", "--pairs"), "[1]\n", "line 1: not a JSON object"),
        (("--verifier", "math", "--pairs"), '{"gold": "1"}\n', "line 1: prediction: is missing"),
        (
            ("--verifier", "math", "--pairs"),
            '{"gold": "1", "prediction": "1", "prediction_kind": "essay"}\n',
            'prediction_kind: "essay"',
        ),
        (("--verifier", "nope", "--pairs"), '{"gold": "1", "prediction": "1"}\n', "nope"),
        (("--pairs",), "{}\n", "--verifier"),
    ],
)
def test_bad_input_ends_in_one_line(tmp_path, args, text, message):
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(HeartloopError, match=message) as caught:
        run(*args, path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_answers_that_fit_no_question_are_refused(shared_data, tmp_path):
    path = write(tmp_path / "a.jsonl", [{"index": 9999, "prediction": "x"}])
    with pytest.raises(HeartloopError, match="no row of the task"):
        run("--task", "bbh/navigate", "--answers", path, "--data", shared_data)
    path = write(tmp_path / "a.jsonl", [{"index": 0, "text": "x"}])
    with pytest.raises(HeartloopError, match="--field"):
        run("--task", "bbh/navigate", "--answers", path, "--data", shared_data)
    with pytest.raises(HeartloopError, match="one task at a time"):
        run("--task", "bbh", "--answers", path, "--data", shared_data)


def test_an_empty_file_is_no_crash(shared_data, tmp_path):
    path = write(tmp_path / "a.jsonl", [])
    assert run("--verifier", "math", "--pairs", path).stdout == ""
    summary = json.loads(
        run("--task", "bbh/navigate", "--answers", path, "--data", shared_data, "--json").stdout
    )
    assert summary["n"] == 0 and summary["accuracy"] is None
