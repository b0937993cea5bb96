"""Rows in the shapes of published sets and of other programs: asked whole, with the right gold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main
from heartloop.data import TaskData, load_data, resolve_tasks
from heartloop.errors import DataError


def load(path: Path, content: str) -> TaskData:
    path.write_text(content)
    (card,) = resolve_tasks(str(path))
    return load_data(card, download=False)


def rows(path: Path, *found: dict[str, Any]) -> TaskData:
    return load(path, "".join(json.dumps(row) + "\n" for row in found))


def asked(data: TaskData) -> list[tuple[str, tuple[str, ...]]]:
    return [(q.input, data.golds[q.id].answers) for q in data.questions]


def test_an_instruction_and_what_it_is_about_are_one_question(tmp_path: Path) -> None:
    data = rows(
        tmp_path / "a.jsonl",
        {"instruction": "Add the numbers.", "input": "2 3", "output": "5"},
        {"instruction": "Name the capital of France.", "input": "", "output": "Paris"},
    )
    assert asked(data) == [
        ("Add the numbers.\n\n2 3", ("5",)),
        ("Name the capital of France.", ("Paris",)),
    ]
    assert "question from columns instruction and input" in data.notes
    alone = rows(tmp_path / "b.jsonl", {"instruction": "Say A.", "output": "A"})
    assert asked(alone) == [("Say A.", ("A",))]


@pytest.mark.parametrize("name", ["context", "Passage", "paragraph"])
def test_a_passage_stands_above_its_question(tmp_path: Path, name: str) -> None:
    row = {name: "Rome is in Italy.", "question": "Where?", "answers": {"text": ["Italy"]}}
    data = rows(tmp_path / "a.jsonl", row, {**row, name: ""})
    assert [text for text, _ in asked(data)] == ["Rome is in Italy.\n\nWhere?", "Where?"]
    assert f"{name} stands above its question" in data.notes
    label = rows(tmp_path / "b.jsonl", {"context": "at work", "question": "2+2?", "answer": "4"})
    assert asked(label) == [("2+2?", ("4",))]
    assert any("column context is not used" in note for note in label.notes)


@pytest.mark.parametrize(
    ("row", "golds"),
    [
        ({"answers_spans": {"spans": ["Ann Lee", "A. Lee"]}}, ("Ann Lee", "A. Lee")),
        ({"solution": r"We get 1 + 1 and so $\boxed{\frac{1}{2}}$."}, (r"\frac{1}{2}",)),
        ({"solution": r"\boxed{2}"}, (r"\boxed{2}",)),
        ({"answer": r"x \boxed{2"}, (r"x \boxed{2",)),
        ({"ground_truth": "Paris"}, ("Paris",)),
        ({"best_answer": "Paris", "answer": "Lyon"}, ("Lyon",)),
    ],
)
def test_golds_under_the_names_and_in_the_shapes_of_published_sets(
    tmp_path: Path, row: dict[str, Any], golds: tuple[str, ...]
) -> None:
    data = rows(tmp_path / "a.jsonl", {"question": "What is it?", **row})
    assert [found for _, found in asked(data)] == [golds]


@pytest.mark.parametrize(
    "row",
    [
        {"Question": "Pick.", "Option A": "hen", "Option B": "cod", "Correct": "B"},
        {"question_stem": "Pick.", "choices": {"text": ["hen", "cod"], "label": ["A", "B"]},
         "answerKey": "B"},
        {"ctx": "Pick.", "endings": ["hen", "cod"], "label": "1"},
        {"question": "Pick.", "correct_answers": ["cod", "a cod"], "incorrect_answers": ["hen"]},
    ],
)  # fmt: skip
def test_choices_of_published_sets(tmp_path: Path, row: dict[str, Any]) -> None:
    data = rows(tmp_path / "a.jsonl", row, {**row, "label": "0"} if "label" in row else row)
    text, golds = asked(data)[0]
    assert data.card.verifier == "choice" and golds == ("cod",)
    assert text.startswith("Pick.\n(A) ") and set(data.questions[0].choices) == {"hen", "cod"}


def test_a_stem_with_its_choices_is_the_question(tmp_path: Path) -> None:
    choices = [
        {"text": text, "label": label} for label, text in zip("AB", ("iron", "neon"), strict=True)
    ]
    row = {"id": "7", "question": {"stem": "Which is a gas?", "choices": choices}, "answerKey": "B"}
    data = rows(tmp_path / "arc.jsonl", row)
    assert asked(data) == [("Which is a gas?\n(A) iron\n(B) neon", ("neon",))]


def test_decimal_commas_where_something_else_parts_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    data = load(path, "question;answer\nWas ist 1,5+1,5?;3,0\nUnd 2,25?;2,25\nUnd 4?;4\n")
    assert [golds for _, golds in asked(data)] == [("3.0",), ("2.25",), ("4",)]
    assert any("decimal" in note for note in data.notes) and data.card.verifier == "math"
    tabs = load(tmp_path / "a.tsv", "question\tanswer\nUnd 2,25?\t2,25\n")
    assert asked(tabs)[0][1] == ("2.25",)
    listed = load(path, 'question,answer\nTwo numbers?,"1,3"\nAnd?,"2,5"\n')
    assert [golds for _, golds in asked(listed)] == [("1,3",), ("2,5",)]
    thousands = load(path, "question;answer\nHow many?;1,200\nAnd?;2,500\n")
    assert [golds for _, golds in asked(thousands)] == [("1,200",), ("2,500",)]


def test_line_breaks_in_cells_are_those_of_a_prompt(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'question,answer\r\n"Line one\r\nline two: 2+2?",4\r\n')
    (card,) = resolve_tasks(str(path))
    assert asked(load_data(card, download=False)) == [("Line one\nline two: 2+2?", ("4",))]


def test_a_table_without_names_of_columns_is_asked_about_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does the first line name the columns"):
        load(tmp_path / "a.csv", "What is 2+2?,4\nWhat is 3+3?,6\n")


@pytest.mark.parametrize("name", ["a.txt", "a.xlsx", "a.jsonl.gz"])
def test_check_says_which_files_are_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("question\tanswer\n")
    with pytest.raises(SystemExit) as ended:
        main(["tasks", "check", str(tmp_path / name)])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "is no table that can be read; save it as one of .csv, .tsv" in said


def test_two_answers_to_one_question_are_said_before_any_other_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("question,answer,topic\nWhat is 4+4?,8,a\nWhat is 4+4?,9,b\n")
    with pytest.raises(SystemExit):
        main(["run", "--task", "t.csv", "--method", "single", "--model", "pocket", "--yes"])
    said = capsys.readouterr().err
    assert "note: t: the same question has different answers" in said
