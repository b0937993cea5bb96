"""Damaged benchmark files, family by family: one line with the place, the field and the remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.cards import load_task
from heartloop.data import load_data
from heartloop.errors import DataError

PROMPT = "canary\n-----\nSort.\n\nQ: b a\nA: Let's think step by step.\nSo the answer is a b."


def put(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def examples(*rows: Any, **fields: Any) -> str:
    return json.dumps({**fields, "examples": list(rows)})


def induction(row: Any) -> str:
    return json.dumps({"metadata": {}, "examples": {"1": row}})


CHOICE = "multiple_choice_grade"
CASES: list[tuple[str, dict[str, str], str]] = [
    ("bigbench/snarks", {"bigbench/snarks.json": "{"}, "snarks.json:1: not valid JSON"),
    ("bigbench/snarks", {"bigbench/snarks.json": "[]"}, "examples: is missing"),
    (
        "bigbench/snarks",
        {"bigbench/snarks.json": examples({"input": "x"}, preferred_score=CHOICE)},
        "examples[0]: target_scores: is missing",
    ),
    (
        "bigbench/snarks",
        {
            "bigbench/snarks.json": examples(
                {"input": "x", "target_scores": {"a": "1"}}, preferred_score=CHOICE
            )
        },
        "examples[0]: target_scores[a]: must be a number",
    ),
    (
        "bigbench/snarks",
        {"bigbench/snarks.json": examples({"target_scores": {"a": 1}}, preferred_score=CHOICE)},
        "examples[0]: input: is missing",
    ),
    (
        "bigbench/tense",
        {"bigbench/tense.json": examples({"input": "x", "target": []})},
        "examples[0]: target: is an empty list",
    ),
    (
        "bigbench/tense",
        {"bigbench/tense.json": examples({"input": "x", "target": "y"}, task_prefix=3)},
        "task_prefix: must be str",
    ),
    (
        "bbh_cot/word_sorting",
        {"bbh/word_sorting.json": examples({"input": "x", "target": "y"})},
        "bbh/cot-prompts/word_sorting.txt is absent",
    ),
    (
        "bbh_cot/word_sorting",
        {
            "bbh/word_sorting.json": examples({"input": "x", "target": "y"}),
            "bbh/cot-prompts/word_sorting.txt": PROMPT.replace("answer is", "end is"),
        },
        "demonstration 1: not laid out as published",
    ),
    (
        "bbh/word_sorting",
        {
            "bbh/word_sorting.json": examples({"input": "x"}),
            "bbh/cot-prompts/word_sorting.txt": PROMPT,
        },
        "examples[0]: target: is missing",
    ),
    (
        "instruction_induction/sum",
        {"instruction_induction/raw/execute/sum.json": induction({"input": "1 2"})},
        "examples[1]: output: is missing",
    ),
    (
        "instruction_induction/cause_and_effect",
        {"instruction_induction/raw/execute/cause_and_effect.json": induction({"cause": "x"})},
        "examples[1]: effect: is missing",
    ),
    (
        "instruction_induction/rhymes",
        {
            "instruction_induction/raw/execute/rhymes.json": induction(
                {"input": "ice", "output": "ice", "other_rhymes": ["ice"]}
            )
        },
        "other_rhymes: holds the input alone",
    ),
    (
        "olympiad",
        {"olympiadbench/OE_TO_maths_en_COMP.jsonl": '{"id": 1, "question": "x"}'},
        "COMP.jsonl:1: final_answer: is missing",
    ),
    (
        "simpleqa",
        {"simpleqa/simple_qa_test_set.csv": "metadata,problem,answer\n{,x,y\n"},
        "test_set.csv:2: metadata: is no dictionary",
    ),
    (
        "simpleqa",
        {"simpleqa/simple_qa_test_set.csv": "problem,solution\nx,y\n"},
        "test_set.csv:2: answer: is missing; the row has problem, solution",
    ),
    (
        "truthfulqa",
        {
            "truthfulqa/TruthfulQA.csv": "Question,Best Answer,Correct Answers,Incorrect Answers\n"
            "x,y,y,y\n"
        },
        "TruthfulQA.csv:2: Incorrect Answers: is empty",
    ),
]


@pytest.mark.parametrize(("task", "files", "expected"), CASES)
def test_a_damaged_file_is_one_line(
    tmp_path: Path, task: str, files: dict[str, str], expected: str
) -> None:
    for name, text in files.items():
        put(tmp_path, name, text)
    with pytest.raises(DataError) as caught:
        load_data(load_task(task), data_dir=tmp_path, download=False)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bbh_without_its_prompt_file_is_asked_bare_with_a_note(tmp_path: Path) -> None:
    put(tmp_path, "bbh/word_sorting.json", examples({"input": "x", "target": "y"}))
    data = load_data(load_task("bbh/word_sorting"), data_dir=tmp_path, download=False, shots=0)
    assert data.questions[0].input == "Q: x" and data.questions[0].instruction == ""
    assert any("no task description" in note for note in data.notes)


def test_annotations_that_are_asked_for_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    card = "include: instruction_induction\nname: theirs\noptions: {instructions: annotations}\n"
    put(tmp_path, "tasks/theirs.yaml", card)
    row = {"input": "1 2", "output": "3"}
    put(tmp_path, "data/instruction_induction/raw/execute/sum.json", induction(row))
    with pytest.raises(DataError, match="annotations are absent"):
        load_data(load_task("theirs/sum"), data_dir=tmp_path / "data", download=False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{local: [a.jsonl], sha256: [abc]}", 'source.sha256: "abc" is no SHA-256'),
        ("{local: [a.jsonl], url: [u, v]}", "source.url: names more files"),
        ("{local: [/etc/x.pth]}", "source.local: "),
        ("{local: ../x.txt}", "source.local: "),
        ("{local: 'a/../../x.txt'}", "source.local: "),
        ("{local: 'C:/x.txt'}", "source.local: "),
        ("{local: '..\\\\x.txt'}", "source.local: "),
        ("{local: ''}", "source.local: "),
        ("{local: a.csv, url: 'file:///etc/hostname'}", "source.url: "),
        ("{local: a.csv, url: 'ftp://host/x'}", "source.url: "),
        ("{hub: {path: /etc}}", "source.hub.path: "),
        ("{hub: {path: ../x}}", "source.hub.path: "),
        ("{locall: [a.jsonl]}", "unknown field"),
    ],
)
def test_a_card_with_a_wrong_source_names_its_line(
    tmp_path: Path, source: str, expected: str
) -> None:
    from heartloop.errors import CardError

    put(tmp_path, "own.yaml", f"name: own\nsource: {source}\n")
    with pytest.raises(CardError, match=r"own\.yaml:2: ") as caught:
        load_task(str(tmp_path / "own.yaml"))
    assert expected in str(caught.value)
